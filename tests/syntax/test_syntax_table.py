"""The tables' columns and cells."""

import io

from rich.console import Console
from rich.table import Table

from app.syntax.condition_scores import SyntaxRow, Tally
from app.syntax.table import comparison_table, syntax_table

KNOWN = [
    SyntaxRow("simple", "short", Tally(items=1_000, right=750, right_known=750)),
    SyntaxRow("across", "long", Tally(items=8, right=1, right_known=1)),
    SyntaxRow("own", "", Tally(items=2, right=2, right_known=2)),
]
PARTLY = [
    SyntaxRow("simple", "short", Tally(items=1_000, right=500, ties=250, unknown=100, right_known=450)),
    SyntaxRow("across", "long", Tally(items=8, unknown=8)),
    SyntaxRow("own", "", Tally(items=2, right=1, right_known=1)),
]


def lines(table: Table) -> list[list[str]]:
    """The cells of each line that is not empty, as printed on a terminal."""
    console = Console(file=io.StringIO(), width=160)
    console.print(table)
    return [line.split() for line in console.file.getvalue().splitlines() if line.strip() and "─" not in line]


def test_all_words_known() -> None:
    assert lines(syntax_table(KNOWN, title="a model")) == [
        ["a", "model"],
        ["accuracy", "95", "%", "interval", "items"],
        ["short-term", "dependency"],
        ["simple", "0.75", "0.72-0.78", "1,000"],
        ["long-term", "dependency"],
        ["across", "0.12", "0.02-0.47", "8"],
        ["own", "1.00", "0.34-1.00", "2"],
    ]


def test_words_unknown_and_sentences_equal() -> None:
    assert lines(syntax_table(PARTLY)) == [
        ["accuracy", "95", "%", "interval", "items", "unknown", "equal", "known", "words"],
        ["short-term", "dependency"],
        ["simple", "0.50", "0.47-0.53", "1,000", "10%", "25%", "0.50"],
        ["long-term", "dependency"],
        ["across", "0.00", "0.00-0.32", "8", "100%", "\N{EN DASH}"],
        ["own", "0.50", "0.09-0.91", "2", "0.50"],
    ]


def test_models_beside_each_other() -> None:
    assert lines(comparison_table({"one": KNOWN, "two": KNOWN}))[0] == ["one", "two", "items"]
    found = lines(comparison_table({"one": KNOWN, "two": PARTLY}))
    assert found[0] == ["one,", "two,"]
    assert found[1] == ["one", "two", "known", "words", "known", "words", "items"]
    assert found[3] == ["simple", "0.75", "0.50", "0.75", "0.50", "1,000"]
    assert found[5] == ["across", "0.12", "0.00", "0.12", "\N{EN DASH}", "8"]
