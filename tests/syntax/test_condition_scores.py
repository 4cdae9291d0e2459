"""Counts, compared with counting item by item; and score files, written and read."""

import random
from pathlib import Path

import pytest
from scipy.stats import binomtest

from app.common.errors import UserError
from app.syntax.condition_scores import ConditionScore, SyntaxRow, Tally, pool, score_conditions
from app.syntax.score_files import COLUMNS, read_csv, to_csv
from app.syntax.stimuli import Construction, Item, Stimuli
from app.syntax.table import matched

CONSTRUCTIONS = (Construction("agreement", "short", ("near", "far"), 2), Construction("polarity", "long", ("npi",), 3))


def stimuli(seed: int) -> Stimuli:
    draw, items = random.Random(seed), []
    for construction in CONSTRUCTIONS:
        for case in construction.cases:
            for condition in ("one", "two"):
                for _ in range(draw.randrange(1, 9)):
                    sentences = tuple(f"s{draw.randrange(60)}" for _ in range(construction.sentences))
                    items.append(Item(case, condition, sentences))
    draw.shuffle(items)
    return Stimuli("made up", CONSTRUCTIONS, tuple(items))


@pytest.mark.parametrize("seed", range(5))
def test_every_condition_is_counted(seed: int) -> None:
    asked, draw = stimuli(seed), random.Random(100 + seed)
    values = {f"s{number}": -float(draw.randrange(6)) for number in range(60)}  # few, so that some are equal
    unknown = {f"s{number}" for number in range(0, 60, 5)}
    for found in score_conditions(asked, values, unknown):
        better, worse = {
            "": (0, 1),
            "grammatical vs. intrusive": (0, 1),
            "intrusive vs. ungrammatical": (1, 2),
            "grammatical vs. ungrammatical": (0, 2),
        }[found.comparison]
        items = [x.sentences for x in asked.items if (x.case, x.condition) == (found.case, found.condition)]
        pairs = [(values[sentences[better]], values[sentences[worse]], set(sentences) & unknown) for sentences in items]
        assert found.tally == Tally(
            items=len(pairs),
            right=sum(good > bad for good, bad, _ in pairs),
            ties=sum(good == bad for good, bad, _ in pairs),
            unknown=sum(bool(strange) for *_, strange in pairs),
            right_known=sum(good > bad for good, bad, strange in pairs if not strange),
        )


def test_rows_pool_their_cases() -> None:
    asked = stimuli(3)
    values = {f"s{number}": -float(number) for number in range(60)}
    scores = score_conditions(asked, values, set())
    rows = {row.name: row.tally for row in pool(scores)}
    assert list(rows) == [
        "agreement",
        "polarity, grammatical vs. intrusive",
        "polarity, intrusive vs. ungrammatical",
        "polarity, grammatical vs. ungrammatical",
    ]
    pairs = [item.sentences for item in asked.items if item.case != "npi"]
    assert rows["agreement"].items == len(pairs)
    assert rows["agreement"].right == sum(values[good] > values[bad] for good, bad in pairs)
    assert rows["polarity, grammatical vs. intrusive"].items == sum(item.case == "npi" for item in asked.items)


def test_equal_sentences_are_wrong() -> None:
    asked = Stimuli("", (CONSTRUCTIONS[0],), (Item("near", "", ("a", "b")), Item("far", "", ("b", "a"))))
    (first, second) = score_conditions(asked, {"a": -1.0, "b": -1.0}, set())
    assert first.tally == second.tally == Tally(items=1, ties=1)
    assert first.tally.accuracy == 0


def test_no_accuracy_of_nothing() -> None:
    assert Tally().accuracy is None
    assert Tally(items=3, unknown=3, right=1).accuracy_known is None
    assert Tally(items=4, unknown=2, right=3, right_known=1).accuracy_known == 0.5


def some_scores(items: int = 4) -> list[ConditionScore]:
    return [
        ConditionScore(
            row='agreement, "near"',
            term="short",
            case="near",
            condition="one",
            comparison="",
            tally=Tally(items=items, right=3, ties=1, unknown=4, right_known=0),
        )
    ]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text(to_csv("a, b", some_scores()))
    assert read_csv(tmp_path / "scores.csv") == ("a, b", some_scores())
    assert (tmp_path / "scores.csv").read_text().splitlines()[1].endswith("4,3,1,4,0,0.75,")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("name,max_words\n", "line 1: not the columns of a scores.csv"),
        (",".join(COLUMNS) + "\n", "has the scores of 0 models"),
        (",".join(COLUMNS) + "\nm,row,short,near,one,,x,3,1,0,0,,\n", "line 2: not a line of a scores.csv"),
        (",".join(COLUMNS) + "\nm,row,short,near,one,,2,9,0,0,0,,\n", "line 2: not a line of a scores.csv"),
        (",".join(COLUMNS) + "\nm,row,short,near,one,,2,-5,0,0,0,,\n", "line 2: not a line of a scores.csv"),
        (",".join(COLUMNS) + "\nm,row,far,near,one,,2,1,0,0,0,,\n", "line 2: not a line of a scores.csv"),
        (",".join(COLUMNS) + "\nm,row,short\n", "line 2: not a line of a scores.csv"),
        (",".join(COLUMNS) + f"\n{'m' * 200_000}\n", "line 2: not a line of a scores.csv"),
        (to_csv("one", some_scores()) + to_csv("two", some_scores()).partition("\n")[2], "scores of 2 models"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "scores.csv").write_text(content)
    with pytest.raises(UserError, match=rf"scores\.csv.*{says}"):
        read_csv(tmp_path / "scores.csv")


def test_models_asked_different_questions_are_not_compared() -> None:
    few, many = pool(some_scores(4)), pool(some_scores(5))
    assert matched({"a": few, "b": few}) == [(few[0], few[0])]
    with pytest.raises(UserError, match="a and b were scored on different sentences"):
        matched({"a": few, "b": many})
    with pytest.raises(UserError, match="different sentences"):
        matched({"a": few, "b": [*few, SyntaxRow("more", "", Tally())]})


@pytest.mark.parametrize(("right", "items"), [(0, 1), (1, 1), (5, 10), (0, 1000), (993, 1000), (37, 41)])
def test_intervals_are_wilsons(right: int, items: int) -> None:
    expected = binomtest(right, items).proportion_ci(method="wilson")
    assert Tally(items=items, right=right).interval == pytest.approx((expected.low, expected.high))
    assert Tally().interval is None
