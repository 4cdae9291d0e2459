"""Letters that the font of the figures lacks are taken from installed fonts, or told in one line."""

import warnings

import pytest
from matplotlib import font_manager

from app.plotting import fonts
from app.plotting.trees import Panel, draw_trees, save_drawing

MEROITIC = "\U000109a0"  # of a script for which hardly any font is installed


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    fonts._others.cache_clear()
    monkeypatch.setattr(fonts, "_told", set())
    yield
    fonts._others.cache_clear()


def test_letters_of_the_basic_font_need_no_other():
    assert fonts.families("the cat, für Ὀδυσσεύς N") == [fonts.BASIC]


def test_other_letters_are_taken_from_a_font_that_has_them(monkeypatch):
    listed = font_manager.fontManager.ttflist
    serif = next(font for font in listed if (font.name, font.weight, font.style) == ("STIXGeneral", 400, "normal"))
    letter = "\N{MATHEMATICAL SCRIPT CAPITAL C}"
    assert ord(letter) not in fonts._letters(fonts._basic())
    assert ord(letter) in fonts._letters(serif.fname)
    monkeypatch.setattr(fonts, "_installed", lambda: [serif])
    assert fonts.families(f"a{letter}") == [fonts.BASIC, "STIXGeneral"]


def test_letters_that_no_font_has_are_told_once(monkeypatch, tmp_path):
    monkeypatch.setattr(fonts, "_installed", lambda: [])
    with pytest.warns(UserWarning, match=f"no TrueType font here has {MEROITIC}: boxes stand for"):
        figure = draw_trees([Panel(title="", words=["a", MEROITIC], tree=(0, 1), distances=None)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_drawing(figure, tmp_path / "tree")
        draw_trees([Panel(title="", words=["a", MEROITIC], tree=(0, 1), distances=None)])


@pytest.mark.parametrize(
    ("content", "is_truetype"),
    [
        (b"\0\1\0\0rest", True),
        (b"OTTOrest", False),
        (b"ttcf\0\1\0\0\0\0\0\1\0\0\0\x10\0\1\0\0", True),
        (b"ttcf\0\1\0\0\0\0\0\1\0\0\0\x10OTTO", False),
        (b"", False),
    ],
)
def test_only_truetype_fonts_are_taken(tmp_path, content, is_truetype):
    """Letters of other fonts are missing from PDFs."""
    (tmp_path / "font").write_bytes(content)
    assert fonts._is_truetype(str(tmp_path / "font")) is is_truetype
