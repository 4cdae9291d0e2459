"""Colours that can be told from the page, in the light and in the dark: CSS variables."""

import re
from collections.abc import Sequence
from colorsys import hls_to_rgb, rgb_to_hls

PAPER = {"light": "#ffffff", "dark": "#17181a"}
INK = {"light": "#1b1b1b", "dark": "#e6e6e6"}
CONTRAST = 3.2  # of a line and the page; WCAG 2 asks for 3 in graphics
STEP = 0.01  # of lightness
# Of what has an order, such as rounds: places in matplotlib's viridis where the first and the last are taken.
SHADES = {"light": (0.12, 0.8), "dark": (0.95, 0.4)}
_COLOUR = re.compile(r"var\(--c-([0-9a-f]{6})\)")
_SHADE = re.compile(r"var\(--s-(\d+)-(\d+)\)")

PAPER_COLOUR, INK_COLOUR, SOFT, RULE, TINT = (f"var(--{name})" for name in ("paper", "ink", "soft", "rule", "tint"))


def colour(name: str) -> str:
    """A colour of a figure on paper, such as "#0072B2", as one that is readable on the page; black is the ink."""
    return INK_COLOUR if name == "#000000" else f"var(--c-{name.removeprefix('#').lower()})"


def shade(place: int, count: int) -> str:
    """The colour of one of `count` things that have an order, from 0."""
    return f"var(--s-{place}-{count})"


def variables(text: str) -> dict[str, dict[str, str]]:
    """The values of all such colours that a text names, by scheme ("light", "dark") and variable."""
    named = sorted(set(_COLOUR.findall(text)))
    shades = sorted({(int(place), int(count)) for place, count in _SHADE.findall(text)})
    found = {}
    for scheme, paper in PAPER.items():
        values = {f"--c-{name}": readable(f"#{name}", paper) for name in named}
        values |= {f"--s-{place}-{count}": _shade(place, count, scheme) for place, count in shades}
        found[scheme] = values
    return found


def readable(name: str, paper: str) -> str:
    """A colour, made darker or lighter until its contrast with the page is at least `CONTRAST`."""
    hue, lightness, saturation = rgb_to_hls(*_channels(name))
    step = STEP if luminance(paper) < 0.5 else -STEP
    while contrast(name, paper) < CONTRAST and 0 <= lightness + step <= 1:
        lightness += step
        name = _hex(hls_to_rgb(hue, lightness, saturation))
    return name


def contrast(one: str, other: str) -> float:
    """The ratio of two colours' luminances, 1 to 21 (WCAG 2.2)."""
    lower, higher = sorted((luminance(one), luminance(other)))
    return (higher + 0.05) / (lower + 0.05)


def luminance(name: str) -> float:
    """The relative luminance of a colour, 0 to 1 (WCAG 2.2)."""
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in _channels(name)]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _shade(place: int, count: int, scheme: str) -> str:
    # matplotlib takes a second to import, and has been imported for the figures where a page is written.
    from app.plotting.shades import shades

    first, last = SHADES[scheme]
    return readable(_hex(shades(count, first, last)[place][:3]), PAPER[scheme])


def _channels(name: str) -> tuple[float, float, float]:
    red, green, blue = (int(name[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def _hex(channels: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * each):02x}" for each in channels)
