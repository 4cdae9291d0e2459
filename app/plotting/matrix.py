"""Matrices of numbers: rows against columns, one panel below the other."""

from collections.abc import Sequence
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from app.plotting.data import MatrixFigure, MatrixPanel

CELL = (1.25, 0.36)  # inches
LETTER = 0.075  # inches, about, of a letter of the names of rows
ABOVE, BETWEEN, BELOW, RIGHT = 0.3, 0.6, 0.05, 0.15  # inches around panels
SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#8fbfe0"])  # black letters can be read on all


def matrix_figure(data: MatrixFigure) -> Figure:
    """Numbers in cells, shaded from the least to the greatest of each column over all panels."""
    left = 0.3 + LETTER * max(len(row) for row in data.rows)
    width = left + CELL[0] * len(data.columns) + RIGHT
    block = CELL[1] * len(data.rows)
    height = ABOVE + len(data.panels) * (block + BETWEEN) + BELOW
    figure = Figure(figsize=(width, height))
    for number, panel in enumerate(data.panels):
        bottom = height - ABOVE - number * (block + BETWEEN) - block - 0.25
        place = (left / width, bottom / height, CELL[0] * len(data.columns) / width, block / height)
        _draw(figure.add_axes(place), data, panel)
    return figure


def _draw(axes: Axes, data: MatrixFigure, panel: MatrixPanel) -> None:
    shades = [[_shade(data, value, column) for column, value in enumerate(row)] for row in panel.values]
    axes.imshow(shades, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
    for down, row in enumerate(panel.texts):
        for across, text in enumerate(row):
            axes.text(across, down, text, ha="center", va="center", fontsize=8.5, parse_math=False)
    axes.set_xticks(range(len(data.columns)), data.columns, parse_math=False)
    axes.set_yticks(range(len(data.rows)), data.rows, parse_math=False)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.set_title(panel.name, loc="left", fontsize=9, parse_math=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _shade(data: MatrixFigure, value: float, column: int) -> float:
    """Where a value lies between the least and the greatest of its column, from 0 to 1; 0 where there is none."""
    seen: Sequence[float] = [row[column] for panel in data.panels for row in panel.values if isfinite(row[column])]
    if not isfinite(value) or max(seen) == min(seen):
        return 0.0
    return (value - min(seen)) / (max(seen) - min(seen))
