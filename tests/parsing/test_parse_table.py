import csv
import io
import math

import pytest
from helpers.trees import zigzag
from rich.console import Console

from app.common.errors import UserError
from app.parsing import BASELINES, GoldSentence, Scores, baseline_trees
from app.parsing.table import LABELS, MEASURES, ParseRow, number, parse_row, parse_table, percent, to_csv

# The scores of the two tests of the table's width.
FULL = ["39.9", "39.9", "20.0", "30.0", "40.0", "12.4", *["55.5"] * 5]
DASH = "\N{EN DASH}"


def scores(**changes) -> Scores:
    values = {
        "sentences": 3,
        "sentence_f1": 0.3994,
        "sentence_f1_kim": 0.2,
        "corpus_f1": 0.3,
        "corpus_f1_root": 0.4,
        "depth": 5.55,
        "recall": {"NP": 1.0, "S": 0.5},
    }
    return Scores(**{**values, **changes})


NOTHING = scores(sentences=0, recall={}, **dict.fromkeys(MEASURES, math.nan))
RIGHT = ParseRow("right-branching", scores(), scores(sentence_f1=1.0))
LAYER = ParseRow("layer 2 between_words", scores(recall={"VP": 0.25}), NOTHING)


def printed(table, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_baselines_stand_above_layers_in_percent():
    title, *head, rule, baseline, between, layer = printed(parse_table([RIGHT], [LAYER], title="WSJ"))
    assert title == "WSJ"
    assert [line.split() for line in head] == [
        ["UF1", "UF1"],
        ["≤10", "all", "Kim", "corpus", "+root", "depth", "NP", "VP"],
    ]
    assert set(rule) == {"─"}
    assert baseline.split() == ["right-branching", "100", "39.9", "20.0", "30.0", "40.0", "5.5", "100", DASH]
    assert between == ""
    assert layer.split() == ["layer", "2", "between_words", DASH, "39.9", "20.0", "30.0", "40.0", "5.5", DASH, "25.0"]


@pytest.mark.parametrize("groups", [([RIGHT], []), ([], [RIGHT])])
def test_one_group_alone_has_no_gap(groups):
    assert printed(parse_table(*groups))[-1].startswith("right-branching")
    assert "" not in printed(parse_table(*groups))


def test_it_fits_a_terminal_with_all_its_columns():
    full = scores(depth=12.41, recall=dict.fromkeys((*LABELS, "S"), 0.555))
    lines = printed(parse_table([ParseRow("x" * 21, full, full)], [ParseRow("y" * 21, full, full)]))
    assert max(map(len, lines)) <= 80
    assert lines[1].split()[-5:] == ["ADJP", "NP", "PP", "INTJ", "VP"]
    assert lines[3].split() == ["x" * 21, *FULL]


def test_a_longer_name_takes_two_lines_and_no_width_from_the_numbers():
    full = scores(depth=12.41, recall=dict.fromkeys(LABELS, 0.555))
    *_, first, second = printed(parse_table([], [ParseRow("mean of layers between_words", full, full)]))
    assert first == "mean of layers"
    assert second.split() == ["between_words", *FULL]


def test_csv_holds_both_lengths_in_full_precision():
    third = ParseRow("a, b", scores(corpus_f1=1 / 3), scores(depth=2 / 3))
    text = to_csv([third, LAYER])
    assert text.endswith("\n")
    table = list(csv.DictReader(io.StringIO(text)))
    assert list(table[0]) == ["name", "max_words", "sentences", *MEASURES, "recall_NP", "recall_S", "recall_VP"]
    assert [(row["name"], row["max_words"]) for row in table] == [
        ("a, b", ""),
        ("a, b", "10"),
        ("layer 2 between_words", ""),
        ("layer 2 between_words", "10"),
    ]
    assert float(table[0]["corpus_f1"]) == 1 / 3
    assert float(table[1]["depth"]) == 2 / 3
    assert [row["recall_VP"] for row in table] == ["", "", "0.25", ""]
    assert {table[3][measure] for measure in MEASURES} == {""}
    assert [row["sentences"] for row in table] == ["3", "3", "3", "0"]


def test_a_row_is_scored_at_both_lengths():
    gold = [GoldSentence(("a",) * words, zigzag(words), (("S", 0, words),)) for words in (3, 10, 11)]
    row = parse_row("oracle", baseline_trees("binary oracle", gold), gold)
    assert row.name == "oracle"
    assert (row.scores_all.sentences, row.scores_short.sentences) == (3, 2)
    assert row.scores_all.corpus_f1 == row.scores_short.corpus_f1 == 1
    with pytest.raises(UserError, match="2 trees were predicted for 3 sentences"):
        parse_row("other", [0, 0], gold)


def test_names_of_baselines_fit():
    assert max(map(len, BASELINES)) <= 21


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0.0"), (1, "100"), (0.9996, "100"), (0.9994, "99.9"), (0.1, "10.0"), (math.nan, DASH)]
)
def test_percent(value, text):
    assert percent(value) == text


def test_number():
    assert (number(12.34), number(math.nan)) == ("12.3", DASH)
