"""Results as tables and as JSON."""

import io
import json
import math

import pytest
from rich.console import Console

from app.bench.figures import DASH, Goal, three_digits
from app.bench.rows import BenchRow, Comparison, Difference, Note, Share, tables

TIMES = Comparison(what="step", ours=[0.002, 0.004, 0.003], reference=[0.001, 0.002, 0.002], goal=Goal(1.5))
SPEEDS = Comparison(
    what="loop",
    ours=[2.0, 4.0],
    reference=[1.0, 4.0],
    goal=Goal(0.95, at_least=True),
    count=4000,
    unit="it/s",
)
ALONE = Comparison(what="alone", ours=[0.5], goal=Goal(1.0))
EQUAL = Difference(what="float64", outputs=1e-12, gradients=2e-9, goal_outputs=Goal(1e-10), goal_gradients=Goal(1e-10))
SHARES = [
    Share(what="layer", forward=[1.0, 3.0, 2.0], backward=[4.0, 4.0, 4.0], whole=8.0),
    Share(what="clip", forward=[2.0, 2.0, 2.0], backward=[0.0, 0.0, 0.0], whole=8.0),
]


def shown(*rows: BenchRow) -> list[list[str]]:
    """The printed cells of each line of the tables."""
    text = io.StringIO()
    Console(file=text, width=120, markup=False).print(*tables(rows))
    lines = [line.strip() for line in text.getvalue().splitlines()]
    return [[cell for cell in line.split("   ") if cell.strip()] for line in lines if line and "─" not in line]


def test_a_ratio_of_times_is_ours_by_theirs() -> None:
    assert TIMES.ratio is not None
    assert (TIMES.ratio.lower, TIMES.ratio.median, TIMES.ratio.upper) == (1.75, 2, 2)
    assert [cell.strip() for cell in shown(TIMES)[-1]] == [
        "step",
        "3.00 ms",
        "2.00 ms",
        f"2.00 [1.75{DASH}2.00]",
        "≤ 1.5",
        "no",
    ]


def test_a_ratio_of_speeds_is_the_other_way_round() -> None:
    assert SPEEDS.ratio is not None
    assert SPEEDS.ratio.median == 0.75
    cells = [cell.strip() for cell in shown(SPEEDS)[-1]]
    assert cells == ["loop", "1,333 it/s", "1,600 it/s", f"0.75 [0.62{DASH}0.88]", "≥ 0.95", "no"]
    assert shown(Comparison(what="", ours=[1.0], reference=[0.95], goal=SPEEDS.goal, count=1))[-1][-1].strip() == "yes"


def test_what_has_no_reference_has_no_verdict() -> None:
    assert [cell.strip() for cell in shown(ALONE)[-1]] == ["alone", "500 ms", DASH, DASH, "≤ 1"]
    assert ALONE.plain()["met"] is None


def test_differences_must_both_be_small() -> None:
    assert [cell.strip() for cell in shown(EQUAL)[-1]] == ["float64", "1.0e-12", "≤ 1e-10", "2.0e-09", "≤ 1e-10", "no"]
    assert not EQUAL.plain()["met"]


def test_shares_are_of_medians() -> None:
    lines = [[cell.strip() for cell in line] for line in shown(*SHARES)]
    assert lines[-2:] == [["layer", "2,000 ms", "4,000 ms", "75.0 %"], ["clip", "2,000 ms", DASH, "25.0 %"]]


def test_each_kind_has_a_table() -> None:
    found = list(tables([TIMES, SPEEDS, *SHARES, Note("not here")]))
    assert [table.row_count for table in found] == [2, 2, 1]
    assert shown(Note("not here"))[-1] == ["not here"]


def test_everything_goes_into_json() -> None:
    rows: list[BenchRow] = [TIMES, SPEEDS, ALONE, EQUAL, *SHARES, Note("not here")]
    read = json.loads(json.dumps([row.plain() for row in rows]))
    assert read[0]["ours_seconds"] == [0.002, 0.004, 0.003]
    assert read[0]["ours"] == 3.0
    assert read[0]["unit"] == "ms"
    assert (read[1]["ours"], read[1]["unit"], read[1]["goal"], read[1]["met"]) == (4000 / 3, "it/s", "≥ 0.95", False)
    assert read[4]["forward_seconds"] == [1, 3, 2]
    assert read[5]["share"] == 0.25


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0512345, "0.0512"), (5.123, "5.12"), (51.23, "51.2"), (512.3, "512"), (51234.0, "51,234"), (0.0, "0")],
)
def test_three_digits(value: float, text: str) -> None:
    assert three_digits(value) == text


def test_nothing_met_is_met_by_nan() -> None:
    assert not Goal(1.0).met(math.nan)
    assert not Goal(1.0, at_least=True).met(math.nan)
    assert Goal(1.0).met(1.0)
    assert Goal(1.0, at_least=True).met(1.0)
