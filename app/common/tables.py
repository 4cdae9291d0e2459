"""Prints tables to standard output: on a terminal as wide as that, elsewhere as wide as they are."""

from rich.console import Console, RenderableType
from rich.table import Table

WIDTH = 160  # characters, enough for every table and its title


def print_table(table: RenderableType, *, markup: bool = True) -> None:
    """Print a table; off a terminal nothing in it is folded, and its title is one line, which can be searched for.

    Args:
        table: or tables below their title.
        markup: whether brackets in it are markup of rich.
    """
    console = Console(highlight=False, markup=markup, emoji=False)
    if not console.is_terminal:
        if isinstance(table, Table) and table.title:
            # Otherwise it would be folded to the width of the table.
            console.print(table.title, soft_wrap=True)
            table.title = None
        console.width = max(console.width, WIDTH)
    console.print(table)
