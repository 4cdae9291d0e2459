"""One look for every method, and one way to write every number, in figures, tables and sentences alike."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Look:
    """How a method is drawn and called.

    Args:
        label: its name in legends and sentences.
        colour: of Okabe and Ito's palette, which colour-blind readers can tell apart.
        line: matplotlib's dash pattern: tickets without gaps, controls broken.
        marker: matplotlib's marker.
    """

    label: str
    colour: str
    line: Any
    marker: str


LOOKS = {
    "dense": Look("dense", "#000000", "-", "D"),
    "iterative": Look("iterative", "#0072B2", "-", "o"),
    "one_shot": Look("one-shot", "#009E73", (0, (7, 1.5, 1.5, 1.5)), "s"),
    "random_reinit": Look("random reinit", "#D55E00", (0, (4, 2)), "^"),
    "random_mask": Look("random mask", "#CC79A7", (0, (1.2, 1.4)), "v"),
}

QUANTITIES = {
    "density": "% of weights remaining",
    "iteration": "Iteration",
    "test_accuracy": "Test accuracy",
    "early_stop_iteration": "Early-stop iteration",
    "early_stop_test_accuracy": "Test accuracy at early stop",
    "final_test_accuracy": "Test accuracy at the end of training",
    "final_train_accuracy": "Train accuracy at the end of training",
}

RC: dict[Any, Any] = {
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters everywhere
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
    "svg.fonttype": "path",  # letters as outlines: no viewer needs the font
    "svg.hashsalt": "trees-and-tickets",  # the same element names each time
    "savefig.dpi": 200,
}


def weights(density: float) -> str:
    """A density as a percentage of weights remaining, without the sign: 100, 51.3, 3.6, 0.86."""
    percent = 100 * density
    if percent >= 99.95:
        return "100"
    return f"{percent:.1f}" if percent >= 0.95 else f"{percent:.2g}"


def iteration(value: float) -> str:
    """An iteration, or a mean of iterations, to the nearest whole one: 3,120."""
    return f"{value:,.0f}"


def accuracy(value: float) -> str:
    """An accuracy as a percentage without the sign, to a hundredth: 98.41."""
    return f"{100 * value:.2f}"


def signed(value: float, decimals: int) -> str:
    """A difference with its sign, a true minus where it is negative: +0.31."""
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def quantity(column: str, value: float) -> str:
    """A value of a column of results.csv, as this column is written."""
    return iteration(value) if column.endswith("iteration") else accuracy(value)


def heading(column: str) -> str:
    """What a column is called on an axis or above a table, with its unit."""
    return QUANTITIES[column] + (" (%)" if column.endswith("accuracy") else "")


def plural(count: int, noun: str) -> str:
    """A count with its noun: 1 replicate, 5 replicates, 1,205 trained networks."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
