"""Accuracies side by side, as in Table 3 of Shen et al. (2019)."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.table import Table

from app.common.errors import UserError
from app.syntax.judgements import Row

TERMS = {"short": "short-term dependency", "long": "long-term dependency", "": ""}


def syntax_table(rows: Sequence[Row], *, title: str | None = None) -> Table:
    """One model for the terminal.

    Columns: accuracy and the number of items; where some hold unknown words or are equally probable, the shares of
    both, and the accuracy of items without unknown words.
    """
    table = _empty(title)
    partly = any(row.tally.unknown or row.tally.ties for row in rows)
    for heading in ("accuracy", "items", *(("unknown", "equal", "known words") if partly else ())):
        table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    for term, group in groupby(rows, key=lambda row: row.term):
        _head(table, term)
        for row in group:
            tally = row.tally
            cells = [f"{count / tally.items:.0%}" if count else "" for count in (tally.unknown, tally.ties)]
            cells = [*cells, fraction(tally.accuracy_known)] if partly else []
            table.add_row(row.name, fraction(tally.accuracy), f"{tally.items:,}", *cells)
        table.add_section()
    return table


def comparison_table(models: Mapping[str, Sequence[Row]]) -> Table:
    """Accuracies of several models, by name; where some do not know all words, those of the other items beside them.

    Raises:
        UserError: the models were asked different questions.
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


def matched(models: Mapping[str, Sequence[Row]]) -> list[tuple[Row, ...]]:
    """For each row of the table that of every model.

    Raises:
        UserError: the models were asked different questions.
    """
    (first, rows), *others = models.items()
    asked = [(row.name, row.term, row.tally.items) for row in rows]
    for name, theirs in others:
        if [(row.name, row.term, row.tally.items) for row in theirs] != asked:
            raise UserError(f"{first} and {name} were scored on different sentences; score both on the same")
    return list(zip(*models.values(), strict=True))


def fraction(value: float | None) -> str:
    """A share of 1 with two decimals, as the paper has it; a dash where there is none."""
    return "\N{EN DASH}" if value is None else f"{value:.2f}"


def _empty(title: str | None) -> Table:
    # A title of its own width would be broken where the rows are short.
    table = Table(
        title=title, title_justify="left", min_width=len(title or ""), box=SIMPLE_HEAD, show_edge=False, pad_edge=False
    )
    table.add_column("")
    return table


def _head(table: Table, term: str) -> None:
    if TERMS[term]:
        table.add_row(TERMS[term], style="italic")
