"""McNemar's exact test: against sums of binomial coefficients, and known cases."""

from math import comb
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.syntax.condition_scores import ConditionScore, Tally, score_conditions
from app.syntax.mcnemar import McNemar, mcnemar
from app.syntax.score_files import outcomes_csv, read_outcomes
from app.syntax.stimuli import Construction, Item, Stimuli


def score(outcomes: str, *, row: str = "x", condition: str = "c", sentences: str = "1") -> ConditionScore:
    return ConditionScore(
        row=row,
        term="",
        case="case, one",
        condition=condition,
        comparison="",
        tally=Tally(items=len(outcomes), right=outcomes.count("1")),
        outcomes=outcomes,
        sentences=sentences,
    )


@given(st.integers(0, 40), st.integers(0, 40))
def test_p_is_the_sum_of_splits_as_uneven(first: int, second: int) -> None:
    differing = first + second
    tail = sum(comb(differing, few) for few in range(min(first, second) + 1)) / 2**differing
    assert McNemar("x", "", 100, first, second).p == pytest.approx(min(1.0, 2 * tail))


@pytest.mark.parametrize(("first", "second", "p"), [(0, 0, 1), (3, 3, 1), (1, 0, 1), (0, 5, 1 / 16), (6, 0, 1 / 32)])
def test_known_probabilities(first: int, second: int, p: float) -> None:
    assert McNemar("x", "", 10, first, second).p == pytest.approx(p)


outcomes = st.lists(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6), min_size=1, max_size=4)


@given(outcomes)
def test_rows_and_all_are_counted(conditions) -> None:
    names = [f"row {number // 2}" for number in range(len(conditions))]
    both = [
        [
            score("".join(str(int(pair[side])) for pair in pairs), row=name, condition=str(number))
            for number, (name, pairs) in enumerate(zip(names, conditions, strict=True))
        ]
        for side in (0, 1)
    ]
    *found, everything = mcnemar(*both)
    for row in found:
        pairs = [pair for name, each in zip(names, conditions, strict=True) if name == row.name for pair in each]
        assert (row.items, row.first, row.second) == (
            len(pairs),
            pairs.count((True, False)),
            pairs.count((False, True)),
        )
    assert [row.name for row in found] == list(dict.fromkeys(names))
    sums = tuple(map(sum, zip(*((row.items, row.first, row.second) for row in found), strict=True)))
    assert (everything.name, everything.items, everything.first, everything.second) == ("all", *sums)


def test_other_items_are_refused() -> None:
    for other in (score("10", sentences="2"), score("10", condition="d")):
        with pytest.raises(UserError, match="scored on different sentences"):
            mcnemar([score("11")], [other])


def stimuli(last: str) -> Stimuli:
    items = (Item("k", "c", ("a b", "b a")), Item("k", "c", ("c d", "d c")), Item("k", "c", ("e", last)))
    return Stimuli("x", (Construction("row", "", ("k",), 2),), items)


def test_outcomes_are_those_of_the_items_in_their_order() -> None:
    values = {"a b": -1.0, "b a": -2.0, "c d": -2.0, "d c": -2.0, "e": -1.0, "f": -3.0, "g": -3.0}
    (found,), (other,) = (score_conditions(stimuli(last), values, set()) for last in ("f", "g"))
    assert found.outcomes == "101"
    assert found.tally.right == 2
    assert found.sentences != other.sentences


def test_outcomes_are_written_and_read_back(tmp_path: Path) -> None:
    scores = [score("1" * 200_000 + "0", row='a, "b"'), score("01", condition="d")]
    (tmp_path / "o.csv").write_text(outcomes_csv(scores))
    bare = [ConditionScore(**{n: getattr(s, n) for n in ("row", "term", "case", "condition", "comparison", "tally")})
            for s in scores]  # fmt: skip
    assert read_outcomes(tmp_path / "o.csv", bare) == scores


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("outcomes", "out", 1),
        (",10,", ",11,", 2),
        (",10,", ",12,", 2),
        (",10,", ",100,", 2),
        ("x,", "y,", 2),
        ("01", "0", 3),
    ],
)
def test_a_file_of_other_scores_is_refused(tmp_path: Path, old: str, new: str, line: int) -> None:
    scores = [score("10"), score("01", condition="d", sentences="7")]
    (tmp_path / "o.csv").write_text(outcomes_csv(scores).replace(old, new))
    with pytest.raises(UserError, match=rf"o\.csv, line {line}: not what syntax wrote"):
        read_outcomes(tmp_path / "o.csv", scores)
