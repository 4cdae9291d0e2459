import re
from dataclasses import replace
from statistics import fmean

import pytest
from helpers.made_up_run import lottery_of, result
from hypothesis import given, settings
from hypothesis import strategies as st

from app.report.findings import Findings
from app.report.lottery_document import methods_of
from app.report.lottery_findings import lottery_findings
from app.runs.table import Result


def findings(rows: list[Result]) -> Findings:
    lottery = lottery_of(rows)
    return lottery_findings(lottery, methods_of([lottery]))


NUMBER = r"(\d[\d,.]*)"
EARLIEST = re.compile(
    rf"Early stop is earliest at {NUMBER} % of weights, iteration {NUMBER} against {NUMBER} for dense"
)
NOT_EARLIER = re.compile(
    rf"No ticket stops earlier than dense \(iteration {NUMBER}\) on average; the earliest, at {NUMBER} %"
)
HIGHEST = re.compile(rf"Test accuracy (at .+) is highest at {NUMBER} % of weights, {NUMBER} % against {NUMBER} % for")
NOT_HIGHER = re.compile(
    rf"No ticket has a higher test accuracy (at .+) than dense \({NUMBER} %\) on average; the best, at {NUMBER} %"
)


def percent(round_: int) -> str:
    return "100" if round_ == 0 else f"{100 * 0.8**round_:.1f}"


def experiment(stop: dict[str, list[int]], accuracy: dict[str, list[float]] | None = None):
    """One replicate: per method the values of rounds 0, 1, 2, … (dense) or 1, 2, … (others)."""
    rows = []
    for method, values in stop.items():
        for index, value in enumerate(values):
            early = accuracy[method][index] if accuracy else 0.9
            round_ = 0 if method == "dense" else index + 1
            rows.append(result(method, round_, early_stop_iteration=value, early_stop_test_accuracy=early))
    return findings(rows)


def test_the_sentences_of_a_lottery_ticket():
    found = experiment(
        {"dense": [5040], "iterative": [4000, 3120, 6000], "random_reinit": [5100, 7831, 9000]},
        {"dense": [0.9810], "iterative": [0.9841, 0.9830, 0.9800], "random_reinit": [0.9811, 0.9780, 0.9700]},
    )
    assert found.by_subject["iterative"] == [
        "Early stop is earliest at 64.0 % of weights, iteration 3,120 against 5,040 for dense (\N{MINUS SIGN}38 %).",
        "Test accuracy at early stop is highest at 80.0 % of weights, 98.41 % against 98.10 % for dense (+0.31 pp).",
        "No ticket has a higher test accuracy at the end of training than dense (90.00 %) on average; "
        "the best, at 80.0 % of weights, reaches 90.00 % (+0.00 pp).",
        "Test accuracy at early stop: on average at or above dense down to 64.0 % of weights, below from 51.2 % on.",
    ]
    assert found.by_subject["random reinit"] == [
        "Test accuracy at early stop: on average at or above dense down to 80.0 % of weights, below from 64.0 % on.",
        "At 64.0 % of weights, where iterative tickets stop earliest, it stops at iteration 7,831 against 3,120 "
        "(2.51 times as late), with a test accuracy of 97.80 % against 98.30 % (\N{MINUS SIGN}0.50 pp).",
    ]
    assert found.basis == "One replicate: no interval, and any difference may be chance."


def test_no_claim_where_the_dense_network_is_best():
    found = experiment({"dense": [100], "iterative": [200, 150]}, {"dense": [0.9], "iterative": [0.8, 0.7]})
    assert found.by_subject["iterative"][0] == (
        "No ticket stops earlier than dense (iteration 100) on average; the earliest, at 64.0 % of weights, "
        "stops at iteration 150 (+50 %)."
    )
    assert found.by_subject["iterative"][1].startswith(
        "No ticket has a higher test accuracy at early stop than dense (90.00 %) on average"
    )
    assert found.by_subject["iterative"][3] == (
        "Test accuracy at early stop: on average below dense at all 2 densities, down to 64.0 % of weights."
    )


def test_a_dip_is_not_hidden():
    found = experiment(
        {"dense": [9], "iterative": [8, 8, 8, 8]}, {"dense": [0.9], "iterative": [0.91, 0.89, 0.92, 0.5]}
    )
    assert found.by_subject["iterative"][3] == (
        "Test accuracy at early stop: on average at or above dense at 2 of 4 densities, the sparsest 51.2 % of "
        "weights, below from 41.0 % on."
    )


def test_equal_means_are_ties_however_many_networks_they_are_over():
    """The mean of 15 equal floats can differ from that of 5 in the last bit, and does for this one."""
    assert sum([0.9002] * 15) / 15 < sum([0.9002] * 5) / 5
    rows = [result("dense", 0, replicate, early_stop_test_accuracy=0.9002) for replicate in range(5)]
    rows += [
        result("random_reinit", 1, replicate, branch, early_stop_test_accuracy=0.9002)
        for replicate in range(5)
        for branch in range(3)
    ]
    assert findings(rows).by_subject["random reinit"] == [
        "Test accuracy at early stop: on average at or above dense at 80.0 % of weights; "
        "no difference seen at the only density."
    ]


def test_unfinished_rounds_make_no_headline():
    rows = [result("dense", 0, replicate) for replicate in range(2)]
    rows += [result("iterative", 1, replicate, early_stop_iteration=90) for replicate in range(2)]
    rows += [result("iterative", 2, 0, early_stop_iteration=10)]
    found = findings(rows)
    assert found.by_subject["iterative"][0].startswith("Early stop is earliest at 80.0 % of weights, iteration 90")
    assert found.basis.startswith("Means over 2 replicates. Intervals are 95 % intervals (Student's t)")
    assert found.basis.endswith("Rounds left out here because not every replicate has finished them: iterative 1 of 2.")


def test_a_method_that_only_one_replicate_has_begun_makes_no_headline():
    rows = [result("dense", 0, replicate) for replicate in range(2)]
    rows += [result("iterative", round_, 0, early_stop_iteration=10) for round_ in (1, 2)]
    found = findings(rows)
    assert found.by_subject == {}
    assert found.basis.endswith("iterative 2 of 2.")


def test_a_control_with_missing_draws_is_unfinished():
    rows = [result("dense", 0), result("iterative", 1), result("iterative", 2)]
    rows += [result("random_reinit", 1, 0, branch) for branch in range(3)] + [result("random_reinit", 2, 0, 0)]
    assert findings(rows).basis.endswith("random reinit 1 of 2.")


@pytest.mark.parametrize("rows", [[result("iterative", 1)], [result("dense", 0)]], ids=["no dense", "dense only"])
def test_nothing_is_said_where_there_is_nothing_to_compare(rows):
    found = findings(rows)
    assert found.by_subject == {}
    assert found.basis


def test_a_dense_network_that_stops_at_once_divides_by_nothing():
    found = experiment({"dense": [0], "iterative": [0, 100], "random_reinit": [50, 60]})
    assert "stops at iteration 0 (the same)" in found.by_subject["iterative"][0]
    assert "iteration 50 against 0 (from 0)" in found.by_subject["random reinit"][1]


@st.composite
def finished_runs(draw):
    """Every network of a finished experiment, with values so coarse that ties are common."""
    rounds, replicates, branches = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    methods = draw(st.lists(st.sampled_from(["iterative", "one_shot", "random_reinit"]), unique=True))
    networks = [("dense", 0, replicate, 0) for replicate in range(replicates)]
    for method in methods:
        draws = branches if method == "random_reinit" else 1
        networks += [(method, r, i, b) for r in range(1, rounds + 1) for i in range(replicates) for b in range(draws)]
    stop = st.integers(1, 6).map(lambda n: 100 * n)
    share = st.integers(0, 4).map(lambda n: 0.96 + n / 100)
    return [
        result(
            *network,
            early_stop_iteration=draw(stop),
            early_stop_test_accuracy=draw(share),
            final_test_accuracy=draw(share),
        )
        for network in networks
    ]


def mean(rows, method: str, round_: int, column: str) -> float:
    return fmean(row.value(column) for row in rows if (row.method, row.round) == (method, round_))


@settings(max_examples=150, deadline=None)
@given(finished_runs())
def test_every_sentence_is_true_by_brute_force(rows):
    found = findings(rows)
    rounds = sorted({row.round for row in rows} - {0})
    for method, label in (("iterative", "iterative"), ("one_shot", "one-shot"), ("random_reinit", "random reinit")):
        assert (label in found.by_subject) == any(row.method == method for row in rows)
        said = found.by_subject.get(label, [])
        if said and method != "random_reinit":
            check_early_stop(said[0], rows, method, rounds)
            check_accuracy(said[1], "at early stop", rows, method, rounds, "early_stop_test_accuracy")
            check_accuracy(said[2], "at the end of training", rows, method, rounds, "final_test_accuracy")
        check_claims(said)
        if said:
            check_standing(said[0] if method == "random_reinit" else said[3], rows, method, rounds)


def check_early_stop(sentence, rows, method, rounds):
    dense = mean(rows, "dense", 0, "early_stop_iteration")
    means = {r: mean(rows, method, r, "early_stop_iteration") for r in rounds}
    first = min(rounds, key=lambda r: (round(means[r], 6), r))
    if means[first] < dense - 1e-6:
        at, ticket, base = EARLIEST.match(sentence).groups()
        assert ticket == f"{means[first]:,.0f}"
    else:
        base, at = NOT_EARLIER.match(sentence).groups()
    assert (at, base) == (percent(first), f"{dense:,.0f}")


def check_accuracy(sentence, when, rows, method, rounds, column):
    dense = mean(rows, "dense", 0, column)
    means = {r: mean(rows, method, r, column) for r in rounds}
    best = max(means.values())
    winners = [percent(r) for r in rounds if means[r] > best - 1e-6]
    if best > dense + 1e-6:
        said_when, at, ticket, base = HIGHEST.match(sentence).groups()
        assert float(ticket) == pytest.approx(100 * best, abs=0.0051)
    else:
        said_when, base, at = NOT_HIGHER.match(sentence).groups()
    assert said_when == when
    assert at in winners
    assert float(base) == pytest.approx(100 * dense, abs=0.0051)


def check_standing(sentence, rows, method, rounds):
    dense = mean(rows, "dense", 0, "early_stop_test_accuracy")
    held = {percent(r): mean(rows, method, r, "early_stop_test_accuracy") >= dense - 1e-6 for r in rounds}
    places = list(held)
    if below := re.search(rf"below from {NUMBER} % on", sentence):
        start = places.index(below[1])
        assert not any(held[place] for place in places[start:])
        assert held[places[start - 1]]
    if counted := re.search(rf"at (\d+) of (\d+) densities, the sparsest {NUMBER} %", sentence):
        assert (int(counted[1]), int(counted[2])) == (sum(held.values()), len(held))
        assert counted[3] == [place for place in places if held[place]][-1]
    elif down := re.search(rf"above dense down to {NUMBER} % of weights", sentence):
        assert all(held[place] for place in places[: places.index(down[1]) + 1])
    elif "at or above" in sentence:
        assert all(held.values())
    else:
        assert not any(held.values())


CLAIM = re.compile(r"95 % interval (\S+) to (\S+): ([a-z ]+)\)")


def check_claims(sentences):
    """Every interval in a sentence is followed by what it allows."""
    text = " ".join(sentences)
    for low, high, claim in CLAIM.findall(text):
        low, high = (float(end.replace(",", "").replace("\N{MINUS SIGN}", "-")) for end in (low, high))
        assert low <= high
        if claim in ("faster", "worse"):
            assert high <= 0
        elif claim in ("slower", "better"):
            assert low >= 0
        else:
            assert claim in ("no difference seen", "not known, as a lower bound is compared")
    assert len(CLAIM.findall(text)) == text.count("95 % interval")


def replicates(method: str, round_: int, stops: tuple[int, ...]) -> list[Result]:
    """Replicates whose test accuracy falls as they stop later."""
    return [
        result(
            method,
            round_,
            replicate,
            early_stop_iteration=stop,
            iterations=9_000,
            early_stop_test_accuracy=1 - stop / 1e5,
        )
        for replicate, stop in enumerate(stops)
    ]


def test_words_of_comparison_need_an_interval_that_leaves_out_zero():
    clear = findings([*replicates("dense", 0, (5000, 5100, 4900)), *replicates("iterative", 1, (3000, 3200, 2800))])
    assert clear.by_subject["iterative"][0] == (
        "Early stop is earliest at 80.0 % of weights, iteration 3,000 against 5,000 for dense (\N{MINUS SIGN}40 %; "
        "\N{MINUS SIGN}2,000, 95 % interval \N{MINUS SIGN}2,248 to \N{MINUS SIGN}1,752: faster)."
    )
    assert clear.by_subject["iterative"][1].endswith("(+2.00 pp, 95 % interval +1.75 to +2.25: better).")
    vague = findings([*replicates("dense", 0, (5000, 5100, 4900)), *replicates("iterative", 1, (3000, 6200, 2800))])
    assert vague.by_subject["iterative"][0].endswith(": no difference seen).")
    assert not {"faster", "slower", "better", "worse"} & set(re.findall(r"\w+", str(vague.by_subject)))
    alone = findings(
        [
            row
            for row in (*replicates("dense", 0, (5, 5, 5)), *replicates("iterative", 1, (3, 3, 3)))
            if not row.replicate
        ]
    )
    assert not {"faster", "slower", "better", "worse"} & set(re.findall(r"\w+", str(alone.by_subject)))


def test_methods_are_compared_at_the_same_rounds():
    rows = [
        *replicates("dense", 0, (50, 51, 49)),
        *replicates("iterative", 1, (30, 32, 28)),
        *replicates("one_shot", 1, (40, 43, 37)),
    ]
    said = findings(rows).by_subject
    assert said["one-shot"][-3] == (
        "Early-stop iteration beside iterative tickets of the same round: slower at the only density."
    )
    assert not any("beside" in sentence for sentence in said["iterative"])


def test_networks_that_are_not_pruned_are_told_by_their_round():
    rows = replicates("dense", 0, (50, 51, 49))
    for round_, stops in ((1, (30, 32, 28)), (2, (20, 22, 18))):
        rows += [replace(row, density=1.0) for row in replicates("one_shot", round_, stops)]
        rows += replicates("iterative", round_, (40, 43, 37))
    said = findings(rows).by_subject["one-shot"]
    assert said[0].startswith("Early stop is earliest at round 2, iteration 20 against 50")
    assert "% of weights" not in " ".join(said)
    assert said[3].endswith(
        "on average at or above dense at all 2 densities, down to round 2; better at all 2 densities."
    )
    assert said[4].endswith("of the same round: faster at all 2 densities.")
