"""Text that cannot act on the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.printing import ACTING, one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\x00b\x07\x7f\x9b", r"a\x00b\x07\x7f\x9b"),
        ("half \udcff", r"half \udcff"),
        ("\u202egnp.txt", r"\u202egnp.txt"),
        ("tabs\tand\nlines stay", "tabs\tand\nlines stay"),
        ("Gänse, 語, \N{ZERO WIDTH NON-JOINER}", "Gänse, 語, \N{ZERO WIDTH NON-JOINER}"),
    ],
)
def test_what_a_terminal_obeys_is_spelt_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters(codec=None, exclude_categories=[])))
def test_nothing_that_acts_is_left(text: str) -> None:
    assert not ACTING.search(printable(text))
    printable(text).encode()
    assert len(one_line(text).splitlines()) <= 1
