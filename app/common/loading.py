"""Shows on the terminal what a command is doing while it prints nothing else: loading, drawing, or logging to W&B."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOADING, LOGGING = "loading ...", "logging to W&B ..."
# What Lightning, torchrun and SLURM tell the processes that share a training; the first of them has rank 0.
RANKS = ("LOCAL_RANK", "RANK", "SLURM_PROCID")
ERASE_LINE = "\r\x1b[K"


@contextmanager
def said_meanwhile(word: str = LOADING) -> Iterator[Callable[[], None]]:
    """Show a word on stderr until the end, or until what is yielded is called; the line is empty then.

    Nothing is shown where stderr is no terminal, or one that cannot erase, nor by other processes than the first of
    several. What is printed meanwhile takes the place of the word.

    Args:
        word: one or a few; short, because what is printed over it need not be longer.

    Yields:
        A function that erases it; it may be called more than once.
    """
    shown = _is_shown()

    def erase() -> None:
        nonlocal shown
        if shown:
            shown = False
            sys.stderr.write(ERASE_LINE)
            sys.stderr.flush()

    if shown:
        # The cursor is back at the beginning of the line for whatever is printed next.
        sys.stderr.write(f"{word}\r")
        sys.stderr.flush()
    try:
        yield erase
    finally:
        erase()


def is_first_process() -> bool:
    """Whether this is the first of the processes that share a training, by what they are told; known at the start."""
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


def _is_shown() -> bool:
    return is_first_process() and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
