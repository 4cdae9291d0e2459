"""Matplotlib's settings for all figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib

from app.plotting.fonts import BASIC

RC: dict[Any, Any] = {
    "figure.facecolor": "white",
    "font.family": BASIC,
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "lines.linewidth": 1.6,
    "lines.markersize": 4.2,
    "legend.frameon": False,
    "svg.fonttype": "none",  # letters as text, which can be searched, read aloud and changed
    "pdf.fonttype": 42,  # likewise: TrueType fonts, which journals ask for, and not outlines of letters
    "svg.hashsalt": "trees-and-tickets",  # the same element names each time
    "savefig.dpi": 200,
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's own defaults and our changes to them, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield
