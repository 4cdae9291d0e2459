"""Comparisons between methods: what is paired, what is claimed, and the tables, figures and CSV of them."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.made_up_run import lottery_of, result, write_run

from app.common.metrics import Metric, accuracy, perplexity
from app.plotting.draw import draw
from app.report.comparison_tables import comparison_tables
from app.report.comparisons import by_replicate, compare, comparisons_csv
from app.report.difference_figures import difference_pictures
from app.report.differences import BOUNDED, UNSEEN
from app.report.lottery_document import methods_of
from app.report.lottery_run import read_lotteries
from app.report.metrics import EARLY_STOP_ITERATION
from app.report.verdicts import verdicts
from app.runs.best_validation import BestValidation
from app.runs.table import read_results

DOCS = Path(__file__).parents[2] / "docs"
ACCURACY = replace(accuracy("early_stop_test_accuracy"), label="Test accuracy at early stop")
MINUS = "\N{MINUS SIGN}"


def rows_of(column: str, **by_method: list[list[float]]):
    """Per method, for round 1, the values of each replicate's branches."""
    return [
        result(method, int(method != "dense"), replicate, branch, **{column: value})
        for method, replicates in by_method.items()
        for replicate, branches in enumerate(replicates)
        for branch, value in enumerate(branches)
    ]


def test_branches_are_averaged_within_their_replicate_first():
    """Three branches in one replicate, one in the other: all four count as two."""
    rows = rows_of("early_stop_test_accuracy", iterative=[[0.90], [0.92]], random_reinit=[[0.80, 0.81, 0.82], [0.86]])
    assert by_replicate(rows[2:], ACCURACY.name) == {0: pytest.approx(0.81), 1: 0.86}
    (found,) = compare(rows, ACCURACY, "random_reinit", "iterative")
    assert (found.difference.mean, found.difference.n) == (pytest.approx(-0.075), 2)
    # −9 and −6 points: deviation 2.121, half 12.706 · 2.121 / √2 = 19.06.
    assert found.cell == f"{MINUS}7.50 ({MINUS}26.56 to +11.56) {UNSEEN}"
    assert found.written == f"{MINUS}7.50 pp, 95 % interval {MINUS}26.56 to +11.56"


@pytest.mark.parametrize(
    ("metric", "below", "above"),
    [
        (ACCURACY, "worse", "better"),
        (replace(ACCURACY, better="lower"), "better", "worse"),
        (replace(ACCURACY, better="neither"), "lower", "higher"),
        (replace(EARLY_STOP_ITERATION, name="early_stop_iteration"), "faster", "slower"),
    ],
)
def test_what_is_claimed_follows_the_metric(metric: Metric, below: str, above: str):
    def verdict(*values: float) -> str:
        rows = rows_of(metric.name, dense=[[0.5], [0.5], [0.5]], iterative=[[value] for value in values])
        return compare(rows, metric, "iterative", "dense")[0].verdict

    assert verdict(0.41, 0.40, 0.42) == below
    assert verdict(0.61, 0.60, 0.62) == above
    assert verdict(0.41, 0.60, 0.62) == UNSEEN
    assert verdict(0.5, 0.5, 0.5) == UNSEEN
    assert verdict(0.4, 0.4, 0.4) == "", "no spread, no interval"


def test_one_replicate_has_no_interval_and_claims_nothing():
    (found,) = compare(
        rows_of("early_stop_test_accuracy", dense=[[0.9]], iterative=[[0.95]]), ACCURACY, "iterative", "dense"
    )
    assert (found.written, found.cell, found.verdict) == ("+5.00 pp", "+5.00", "")
    lottery = lottery_of(rows_of("early_stop_test_accuracy", dense=[[0.9]], iterative=[[0.95]]))
    assert comparison_tables(lottery, methods_of([lottery])) == []
    assert difference_pictures([lottery], lottery.columns, methods_of([lottery])) == []


def test_perplexities_are_compared_by_their_ratio():
    metric = perplexity("early_stop_test_perplexity")
    rows = rows_of(metric.name, dense=[[100.0], [200.0]], iterative=[[90.0], [184.0]])
    (found,) = compare(rows, metric, "iterative", "dense")
    # log 0.90 and log 0.92: mean −0.0944, deviation 0.01554, half 12.706 · 0.01554 / √2 = 0.1396.
    assert found.written == f"{MINUS}9.0 %, 95 % interval {MINUS}20.9 to +4.6"


@pytest.mark.parametrize(("ours", "theirs", "verdict"), [(1000, 500, "faster"), (500, 1000, BOUNDED)])
def test_a_lower_bound_claims_only_what_a_longer_training_cannot_turn(ours: int, theirs: int, verdict: str):
    """Dense stops at 500, tickets at about 100; one of both was best at its last validation."""
    rows = rows_of("early_stop_iteration", dense=[[500], [500], [500]], iterative=[[100], [110], [90]])
    rows = [replace(row, iterations=theirs if row.method == "dense" else 90 if ours == 500 else ours) for row in rows]
    (found,) = compare(rows, EARLY_STOP_ITERATION, "iterative", "dense", BestValidation())
    assert found.verdict == verdict


def test_only_rounds_that_both_have_are_compared():
    rows = [result("dense", 0), result("iterative", 1), result("iterative", 2), result("one_shot", 2)]
    assert [each.round for each in compare(rows, ACCURACY, "one_shot", "iterative")] == [2]
    assert [each.round for each in compare(rows, ACCURACY, "iterative", "dense")] == [1, 2]
    assert compare(rows, ACCURACY, "dense", "iterative") == []


def test_densities_of_a_claim_are_named_and_add_up():
    values = {1: [0.95, 0.96], 2: [0.95, 0.96], 3: [0.95, 0.96], 4: [0.9, 0.91], 5: [0.8, 0.81]}
    rows = [result("dense", 0, replicate, early_stop_test_accuracy=0.9 + replicate / 99) for replicate in range(2)]
    rows += [
        result("iterative", round_, replicate, early_stop_test_accuracy=value)
        for round_, pair in values.items()
        for replicate, value in enumerate(pair)
    ]
    compared = compare(rows, ACCURACY, "iterative", "dense")
    assert verdicts(compared) == (
        "better at 3 of 5 densities (80.0 to 51.2 %), worse at 1 (32.8 %), no difference seen at 1"
    )
    assert verdicts(compared[:3]) == "better at all 3 densities"
    assert verdicts(compared[:1]) == "better at the only density"
    assert verdicts([compared[0], compared[4]]) == "better at 1 of 2 densities (80.0 %), worse at 1 (32.8 %)"
    assert verdicts([]) == ""


def test_the_published_run_has_the_intervals_of_the_results_page(tmp_path: Path):
    """docs/results.md was written with intervals that were computed apart from this code."""
    rows = read_results(DOCS / "lenet_mnist/results.csv")
    said = (DOCS / "results.md").read_text()

    def at(metric: Metric, method: str, against: str, percent: float):
        return next(
            each for each in compare(rows, metric, method, against) if round(100 * each.density, 1) == percent
        ).difference

    for metric, method, against, percent, told in (
        (EARLY_STOP_ITERATION, "iterative", "dense", 21.1, f"{MINUS}1,120 ± 1,312"),
        (EARLY_STOP_ITERATION, "iterative", "dense", 16.9, f"{MINUS}1,580 ± 1,344"),
        (ACCURACY, "iterative", "dense", 13.5, "+0.36 ± 0.26"),
        (ACCURACY, "iterative", "dense", 1.9, f"{MINUS}0.32 ± 0.23"),
        (ACCURACY, "random_reinit", "iterative", 21.1, "0.51 ± 0.10"),
        (ACCURACY, "random_reinit", "dense", 10.8, f"{MINUS}0.22 ± 0.20"),
        (ACCURACY, "one_shot", "iterative", 3.6, "0.92 ± 0.16"),
    ):
        found = at(metric, method, against, percent)
        assert told in said
        mean, half = (float(number.replace(",", "")) for number in told.replace(MINUS, "-").split(" ± "))
        assert metric.scale * abs(found.mean) == pytest.approx(abs(mean), abs=0.51 * 10**-metric.decimals)
        assert metric.scale * found.half == pytest.approx(half, abs=0.51 * 10**-metric.decimals)


def test_tables_figures_and_csv_say_the_same(small_run: Path):
    lotteries = read_lotteries([small_run])
    (lottery,), methods = lotteries, methods_of(lotteries)
    tables = comparison_tables(lottery, methods)
    assert [table.caption for table in tables] == [
        "iterative less dense, with 95 % intervals",
        "random reinit less dense, with 95 % intervals",
        "random reinit less iterative of the same round, with 95 % intervals",
    ]
    rows = list(csv.DictReader(io.StringIO(comparisons_csv(lotteries, methods))))
    assert len(rows) == 3 * 3 * 6, "columns, pairs of methods, rounds"
    (row,) = (
        row
        for row in rows
        if (row["column"], row["method"], row["against"], row["round"])
        == ("final_test_accuracy", "random_reinit", "iterative", "6")
    )
    low, high = (f"{100 * float(row[end]):+.2f}".replace("-", MINUS) for end in ("low", "high"))
    assert f"({low} to {high}) {row['verdict']}" in tables[2].rows[-1][3]
    assert tables[2].header[3] == "Test accuracy at the end of training (pp)"
    *_, picture = difference_pictures(lotteries, lottery.columns, methods)
    marks = picture.source.panels[0].lines[0].marks
    iterative = [row for row in rows if (row["column"], row["method"]) == ("final_test_accuracy", "iterative")]
    assert [(mark.mean, mark.low) for mark in marks] == [
        (pytest.approx(float(row["difference"])), pytest.approx(float(row["low"]))) for row in iterative
    ]


def test_long_bars_do_not_flatten_the_lines(tmp_path: Path):
    write_run(tmp_path / "run", rounds=3, replicates=2)
    lotteries = read_lotteries([tmp_path / "run"])
    *_, picture = difference_pictures(lotteries, lotteries[0].columns, methods_of(lotteries))
    means = [0.0, *(mark.mean for mark in picture.source.panels[0].lines[0].marks)]
    low, high = draw(picture.source).subfigs[0].axes[0].get_ylim()
    span = max(means) - min(means)
    assert low < min(means) < max(means) < high
    assert high - low < 3.5 * span


def test_a_method_without_dense_networks_is_compared_with_tickets_alone():
    rows = rows_of("early_stop_test_accuracy", iterative=[[0.9], [0.8]], random_reinit=[[0.7], [0.75]])
    lottery = lottery_of(rows)
    (table,) = comparison_tables(lottery, methods_of([lottery]))
    assert table.caption == "random reinit less iterative of the same round, with 95 % intervals"
