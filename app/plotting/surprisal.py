"""The figure of the surprisal of each word of a few sentences, one below the other."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from app.plotting.fonts import families
from app.plotting.line_styles import PALETTE
from app.plotting.style import style

HEIGHT = 1.5  # inches, of a sentence
MARGIN, LEAST = 0.9, 4.0  # inches beside the bars, and of the narrowest figure
LETTER, GAP = 0.075, 0.18  # inches, about: of a letter, and between words
UNKNOWN = "#b0b0b0"


class SurprisalPanel(NamedTuple):
    """A sentence to be drawn.

    Args:
        words: of the sentence.
        bits: the surprisal of each.
        unknown: which of them the model reads as `<unk>`.
    """

    words: Sequence[str]
    bits: Sequence[float]
    unknown: Sequence[bool]


def surprisal_figure(panels: Sequence[SurprisalPanel]) -> Figure:
    """Draw the surprisal of each word as a bar, on one scale for all sentences; unknown words are grey.

    Args:
        panels: one or more sentences.
    """
    places = [_places(panel.words) for panel in panels]
    width = max(ends[-1] for _, ends in places)
    highest = max(bits for panel in panels for bits in panel.bits)
    with style():
        size = (max(LEAST, width + MARGIN), HEIGHT * len(panels))
        figure = Figure(figsize=size, layout="constrained")
        rows = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
        for axes, panel, (centres, _) in zip(rows, panels, places, strict=True):
            colours = [UNKNOWN if unknown else PALETTE[0] for unknown in panel.unknown]
            axes.bar(centres, panel.bits, width=GAP * 1.5, color=colours, linewidth=0)
            axes.set(xlim=(0, max(width, LEAST - MARGIN)), ylim=(0, highest * 1.05), ylabel="Surprisal (bits)")
            axes.set_xticks(centres, panel.words, parse_math=False, family=families("".join(panel.words)))
            axes.tick_params(axis="x", length=0)
    return figure


def _places(words: Sequence[str]) -> tuple[list[float], list[float]]:
    """Where the middles and the ends of words are, in inches, if each takes the room of its letters."""
    centres, ends, place = [], [], 0.0
    for word in words:
        room = GAP + LETTER * max(2, len(word))
        centres.append(place + room / 2)
        place += room
        ends.append(place)
    return centres, ends
