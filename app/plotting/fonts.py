"""Which fonts have the letters of a text: one that comes with matplotlib, and installed ones for what it lacks."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from matplotlib.font_manager import FontEntry, findfont, findSystemFonts, fontManager, get_font

BASIC = "DejaVu Sans"  # comes with matplotlib: the same letters everywhere
SHOWN = 5  # most letters in a message
_LAST_RESORT = "Last Resort"  # comes with matplotlib too, and has a box for every letter
_told: set[str] = set()


def families(text: str) -> list[str]:
    """The fonts to write a text in, `BASIC` first; a letter is taken from the first one that has it.

    Warns once in a process of letters that no font has.
    """
    missing = frozenset(letter for letter in text if letter.isprintable() and ord(letter) not in _letters(_basic()))
    return [BASIC, *_others(missing)]


@cache
def _others(missing: frozenset[str]) -> Sequence[str]:
    """Installed fonts, as few as they can be, that have these letters."""
    left, found = set(missing), []
    while left:
        name, had = max(_candidates(left), key=lambda each: len(each[1]), default=("", set()))
        if not had:
            _tell(left)
            break
        found.append(name)
        left -= had
    return found


def _candidates(letters: set[str]) -> Iterable[tuple[str, set[str]]]:
    """Regular fonts in the order of their names, and which of the letters each has."""
    for font in sorted(_installed(), key=lambda each: (each.name, each.fname)):
        regular = font.style == "normal" and font.weight in (400, "normal", "regular")
        if regular and _LAST_RESORT not in font.name and _is_truetype(font.fname):
            yield font.name, {letter for letter in letters if ord(letter) in _letters(font.fname)}


@cache
def _installed() -> Sequence[FontEntry]:
    """All fonts, those too that were installed after matplotlib made its list of them."""
    known = {font.fname for font in fontManager.ttflist}
    for path in findSystemFonts():
        if path not in known:
            try:
                fontManager.addfont(path)
            except (OSError, RuntimeError, ValueError):  # a damaged font, which is as good as none
                continue
    return fontManager.ttflist


@cache
def _letters(path: str) -> frozenset[int]:
    try:
        return frozenset(get_font(path).get_charmap())
    except (OSError, RuntimeError, ValueError):
        return frozenset()


@cache
def _is_truetype(path: str) -> bool:
    """Whether the outlines are TrueType's; matplotlib leaves letters of other fonts out of a PDF."""
    try:
        with open(path, "rb") as file:
            if file.read(4) == b"ttcf":  # several fonts, of which the first one is taken
                file.seek(12)
                file.seek(int.from_bytes(file.read(4), "big"))
            else:
                file.seek(0)
            return file.read(4) in (b"\0\1\0\0", b"true")
    except OSError:
        return False


@cache
def _basic() -> str:
    return str(findfont(BASIC))


@contextmanager
def without_glyph_warnings() -> Iterator[None]:
    """Without matplotlib's warning of each letter that no font has; `families` has told of them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        yield


def _tell(letters: set[str]) -> None:
    if new := letters - _told:
        _told.update(new)
        listed = ", ".join(sorted(new)[:SHOWN]) + (", ..." if len(new) > SHOWN else "")
        warnings.warn(
            f"no TrueType font here has {listed}: boxes stand for these letters in PNG and PDF; install one that has "
            "them, such as Droid Sans Fallback or WenQuanYi Micro Hei, and draw again",
            stacklevel=2,
        )
