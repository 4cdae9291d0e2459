import math
from statistics import fmean

import pytest
from helpers.made_up_run import METHODS, NAMES, density, result
from hypothesis import given
from hypothesis import strategies as st

from app.report.aggregate import aggregate
from app.report.lottery_series import Point, chosen_rounds, curve, series
from app.report.methods import Methods
from app.runs.schema import MethodNote, RunSchema

METHODS_OF_TODAY = Methods.of([RunSchema(methods=METHODS)], [])


@st.composite
def tables(draw):
    """Rows of any methods, rounds, replicates and branches, each network at most once, in any order."""
    rounds = st.integers(1, 4)
    pruned = st.tuples(st.sampled_from(NAMES[1:]), rounds, st.integers(0, 2), st.integers(0, 1))
    dense = st.tuples(st.just("dense"), st.just(0), st.integers(0, 2), st.just(0))
    networks = draw(st.lists(st.one_of(pruned, dense), unique=True, min_size=1, max_size=40))
    value = st.integers(0, 50).map(lambda n: 100 * n)
    return [result(*network, early_stop_iteration=draw(value)) for network in networks]


@given(tables())
def test_series_agrees_with_counting_by_hand(rows):
    lines = series(rows, "early_stop_iteration", METHODS_OF_TODAY)
    assert set(lines) == {row.method for row in rows}
    has_dense = any(row.method == "dense" for row in rows)
    for method, line in lines.items():
        rounds = sorted({row.round for row in rows if row.method == method})
        if method != "dense" and has_dense:
            rounds = [0, *rounds]
        assert [point.round for point in line] == rounds
        for point in line:
            source = "dense" if point.round == 0 else method
            mine = [row for row in rows if (row.method, row.round) == (source, point.round)]
            values = [row.early_stop_iteration for row in mine]
            assert (point.value.n, point.value.low, point.value.high) == (len(mine), min(values), max(values))
            assert point.value.mean == pytest.approx(sum(values) / len(values))
            assert point.density == pytest.approx(0.8**point.round)
            assert point.replicates == {row.replicate for row in mine}


@pytest.mark.parametrize("column", ["final_test_accuracy", "early_stop_test_accuracy", "final_train_accuracy"])
def test_series_takes_the_column_asked_for(column):
    (point,) = series([result("dense", 0, **{column: 0.5})], column, METHODS_OF_TODAY)["dense"]
    assert point.value.mean == 0.5


def test_density_of_a_round_is_the_mean_where_networks_differ():
    rows = [result("iterative", 1, 0, density=0.80), result("iterative", 1, 1, density=0.82)]
    (point,) = series(rows, "final_test_accuracy", METHODS_OF_TODAY)["iterative"]
    assert point.density == pytest.approx(0.81)


def test_an_unpruned_control_is_drawn_beside_its_tickets():
    notes = [*METHODS, MethodNote(name="dense_continued", of="iterative")]
    rows = [result("dense", 0), result("iterative", 1, density=0.8), result("dense_continued", 1, density=1.0)]
    lines = series(rows, "final_test_accuracy", Methods.of([RunSchema(methods=notes)], []))
    assert [point.mark.x for point in lines["dense_continued"]] == [1.0, 0.8]


def line(densities: list[float]) -> list[Point]:
    return [
        Point(round=r, density=d, value=aggregate([0.0]), replicates=frozenset({0}), place=d)
        for r, d in enumerate(densities)
    ]


def test_curves_are_drawn_at_the_densities_of_the_paper():
    chosen = chosen_rounds(line([density(r) for r in range(21)]))
    assert chosen == [0, 3, 7, 12, 15, 18]
    assert [f"{100 * density(r):.1f}" for r in chosen] == ["100.0", "51.3", "21.1", "7.0", "3.6", "1.9"]


@given(st.integers(0, 6))
def test_short_runs_get_at_most_four_curves_from_dense_to_sparsest(rounds):
    chosen = chosen_rounds(line([0.8**r for r in range(rounds + 1)]))
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(4, rounds + 1)
    assert (chosen[0], chosen[-1]) == (0, rounds)


def test_the_first_that_prunes_stands_for_the_experiment():
    assert METHODS_OF_TODAY.tickets(["dense", "one_shot", "iterative"]) == "iterative"
    assert METHODS_OF_TODAY.tickets(["dense", "one_shot"]) == "one_shot"
    assert METHODS_OF_TODAY.tickets(["dense", "random_reinit"]) is None


measured = st.one_of(st.just(math.nan), st.integers(0, 100).map(lambda n: n / 100))


@given(st.lists(st.dictionaries(st.integers(0, 5), measured), min_size=1, max_size=4))
def test_curve_covers_the_iterations_at_which_all_networks_measured(networks):
    # All have been validated at 6 to 11 as well, so that they share half of their iterations.
    networks = [network | dict.fromkeys(range(6, 12), math.nan) for network in networks]
    drawn = curve([[{"iteration": at, "f1": value} for at, value in each.items()] for each in networks], "f1")
    shared = [i for i in range(6) if all(i in network and not math.isnan(network[i]) for network in networks)]
    assert [mark.x for mark in drawn] == shared
    for mark in drawn:
        values = [network[mark.x] for network in networks]
        assert (mark.low, mark.high, mark.n) == (min(values), max(values), len(networks))
        assert mark.mean == pytest.approx(fmean(values))


def test_curve_compares_validation_by_validation_where_iterations_differ():
    first = [(0, 9.0), (100, 4.0), (203, 3.0), (300, math.nan), (401, 1.0)]
    second = [(0, 7.0), (98, 5.0), (197, math.nan), (302, 2.0), (399, 2.0), (501, 1.0)]
    drawn = curve([[{"iteration": at, "f1": value} for at, value in rows] for rows in (first, second)], "f1")
    assert [(mark.x, mark.mean, mark.low, mark.high, mark.n) for mark in drawn] == [
        (0, 8.0, 7.0, 9.0, 2),
        (99, 4.5, 4.0, 5.0, 2),
        (400, 1.5, 1.0, 2.0, 2),
    ]


def test_networks_that_are_not_pruned_are_drawn_at_the_density_of_their_round():
    rows = [result("dense", 0), *(result("iterative", round_) for round_ in (1, 2))]
    rows += [result("one_shot", round_, density=1.0) for round_ in (1, 2, 3)]
    lines = series(rows, "final_test_accuracy", METHODS_OF_TODAY)
    assert [point.density for point in lines["one_shot"]] == [1, 1, 1, 1]
    assert [point.mark.x for point in lines["one_shot"]] == pytest.approx([1, 0.8, 0.64, 1])
    assert [point.mark.x for point in lines["iterative"]] == pytest.approx([1, 0.8, 0.64])
