"""Tables in a file or a pipe have their title in one line and no cell folded."""

import pytest
from rich.console import Group
from rich.table import Table
from rich.text import Text

from app.common.tables import print_table

TITLE = "a title of many words " * 6 + "[0]"
CELL = "a_name_that_is_longer_than_the_eighty_columns_which_rich_takes_where_it_does_not_know_the_width"


def table(**options: str) -> Table:
    made = Table(**options)  # type: ignore[arg-type]
    made.add_column("name")
    made.add_row(CELL)
    return made


def test_a_table_with_a_title(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(table(title=TITLE), markup=False)
    title, *rest = capsys.readouterr().out.splitlines()
    assert title == TITLE
    assert sum(CELL in line for line in rest) == 1


def test_tables_below_a_title(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(Group(Text(TITLE), table()))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].rstrip() == TITLE
    assert sum(CELL in line for line in lines) == 1
