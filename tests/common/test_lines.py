"""Lines on a terminal: where they are broken, and where never."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from app.common.lines import INDENT, fold, print_line

NOTE = (
    "epoch 1 · iteration 28 · train_loss 4.5219 nats · val_loss 4.4461 nats · val_perplexity 85.29 · "
    "val_loss_exact 4.4498 nats"
)
SUMMARY = "replicate 0, iterative, round 1: early stop at 75, test accuracy 91.00 %, at the end 92.60 %"


def test_figures_are_broken_before_a_middle_dot() -> None:
    assert fold(NOTE, 80).splitlines() == [
        "epoch 1 · iteration 28 · train_loss 4.5219 nats · val_loss 4.4461 nats",
        "  · val_perplexity 85.29 · val_loss_exact 4.4498 nats",
    ]


def test_sentences_are_broken_behind_a_comma() -> None:
    assert fold(SUMMARY, 80).splitlines() == [
        "replicate 0, iterative, round 1: early stop at 75, test accuracy 91.00 %,",
        "  at the end 92.60 %",
    ]


def test_a_line_that_fits_stays() -> None:
    assert fold(SUMMARY, len(SUMMARY)) == SUMMARY
    assert "\n" in fold(SUMMARY, len(SUMMARY) - 1)


def test_a_path_stays_whole() -> None:
    path = f"/home/{'x' * 100}/runs"
    assert fold(f"scores are in {path}", 80) == f"scores are in\n  {path}"
    assert fold(path, 80) == path
    assert fold(f"{path} is no file", 80) == f"{path}\n  is no file"


words = st.lists(
    st.one_of(
        st.sampled_from(["stop · early,", "stop", "92.40 %", "loss:", "a" * 30]),
        st.floats(0, 1e6).map("{:,.2f}".format),
    ),
    max_size=40,
)


@given(words, st.integers(1, 130))
def test_nothing_is_lost_no_word_is_broken_and_lines_are_as_long_as_they_may_be(parts: list[str], width: int) -> None:
    line = " ".join(parts)
    folded = fold(line, width).split("\n")
    assert " ".join([folded[0], *(each.removeprefix(INDENT) for each in folded[1:])]) == line
    assert all(each.startswith(INDENT) for each in folded[1:])
    for each in folded:
        assert not each.endswith("·")
        assert not each.strip().startswith("%")
        # A longer one has no place where it could be broken.
        assert len(each) <= width or not re.search(r"[^\s·] (?!%)", each.removeprefix(INDENT))


@pytest.mark.parametrize("terminal", [True, False])
def test_only_a_terminal_has_folded_lines(terminal: bool) -> None:
    stream = io.StringIO()
    print_line(f"[bold]{SUMMARY}", Console(file=stream, force_terminal=terminal, width=80, _environ={}))
    assert len(stream.getvalue().splitlines()) == (2 if terminal else 1)
    assert " ".join(stream.getvalue().split()) == f"[bold]{SUMMARY}"
