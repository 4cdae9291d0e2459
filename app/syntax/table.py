"""Tables of accuracies for the terminal, as in Table 3 of Shen et al. (2019)."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.table import Table

from app.common.errors import UserError
from app.syntax.condition_scores import SyntaxRow
from app.syntax.mcnemar import McNemar

TERMS = {"short": "short-term dependency", "long": "long-term dependency", "": ""}


def syntax_table(rows: Sequence[SyntaxRow], *, title: str | None = None) -> Table:
    """The accuracies of one model.

    Columns: accuracy, its 95 % interval and number of items; if some items have unknown words or ties, also the
    fraction of each, and the accuracy on items without unknown words.
    """
    table = _empty(title)
    partly = any(row.tally.unknown or row.tally.ties for row in rows)
    for heading in ("accuracy", "95 % interval", "items", *(("unknown", "equal", "known words") if partly else ())):
        table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    for term, group in groupby(rows, key=lambda row: row.term):
        _head(table, term)
        for row in group:
            tally = row.tally
            cells = [f"{count / tally.items:.0%}" if count else "" for count in (tally.unknown, tally.ties)]
            cells = [*cells, fraction(tally.accuracy_known)] if partly else []
            between = "-".join(fraction(end) for end in tally.interval or ())
            table.add_row(row.name, fraction(tally.accuracy), between, f"{tally.items:,}", *cells)
        table.add_section()
    return table


def comparison_table(models: Mapping[str, Sequence[SyntaxRow]]) -> Table:
    """The accuracies of several models by name; if some words are unknown, also those on items without unknown words.

    Raises:
        UserError: the models were scored on different sentences.
    """
    table = _empty(None)
    together = matched(models)
    partly = any(row.tally.unknown for rows in together for row in rows)
    for name in [*models, *(f"{name},\nknown words" for name in models if partly)]:
        table.add_column(name, justify="right", vertical="bottom")
    table.add_column("items", justify="right", vertical="bottom", no_wrap=True)
    for term, group in groupby(together, key=lambda rows: rows[0].term):
        _head(table, term)
        for rows in group:
            accuracies = [fraction(row.tally.accuracy) for row in rows]
            accuracies += [fraction(row.tally.accuracy_known) for row in rows if partly]
            table.add_row(rows[0].name, *accuracies, f"{rows[0].tally.items:,}")
        table.add_section()
    return table


def mcnemar_table(first: str, second: str, rows: Sequence[McNemar]) -> Table:
    """How many items two models answer differently, and the p of McNemar's exact test.

    Args:
        first: the name of the first model.
        second: of the second model.
        rows: of the table, and of all items.
    """
    table = _empty(f"{first} against {second}: McNemar's exact test")
    for heading in ("items", "only first right", "only second right", "p"):
        table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    for term, group in groupby(rows, key=lambda row: row.term):
        _head(table, term)
        for row in group:
            table.add_row(row.name, f"{row.items:,}", f"{row.first:,}", f"{row.second:,}", probability(row.p))
        table.add_section()
    return table


def probability(p: float) -> str:
    """A p with three digits; small ones as a power of ten."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def matched(models: Mapping[str, Sequence[SyntaxRow]]) -> list[tuple[SyntaxRow, ...]]:
    """The rows of all models side by side: one tuple for each row of the table.

    Raises:
        UserError: the models were scored on different sentences.
    """
    (first, rows), *others = models.items()
    expected = [(row.name, row.term, row.tally.items) for row in rows]
    for name, theirs in others:
        if [(row.name, row.term, row.tally.items) for row in theirs] != expected:
            raise UserError(f"{first} and {name} were scored on different sentences; score both on the same")
    return list(zip(*models.values(), strict=True))


def fraction(value: float | None) -> str:
    """A fraction with two decimals, as in the paper; a dash for None."""
    return "\N{EN DASH}" if value is None else f"{value:.2f}"


def _empty(title: str | None) -> Table:
    # Without min_width, rich would wrap a title that is wider than the rows.
    table = Table(
        title=title, title_justify="left", min_width=len(title or ""), box=SIMPLE_HEAD, show_edge=False, pad_edge=False
    )
    table.add_column("")
    return table


def _head(table: Table, term: str) -> None:
    if TERMS[term]:
        table.add_row(TERMS[term], style="italic")
