"""Bars for many quantities of a few models, in groups one below the other."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from app.plotting.data import BarsFigure
from app.plotting.line_styles import PALETTE
from app.plotting.style import style

COLOURS = PALETTE
WIDTH = 7.0  # inches
BAR, GAP, HEAD = 0.13, 0.10, 0.34  # inches: a bar, what is between rows, and what is above a group
LETTER = 0.068  # inches, about, of a letter of the names of rows
LEFT, RIGHT, BELOW, ABOVE = 0.15, 0.35, 0.45, 0.30  # inches around the names and the bars

Groups = Mapping[str, Mapping[str, Sequence[float | None]]]


def bars(groups: Groups, models: Sequence[str], *, axis: str, reference: float) -> Figure:
    """Draw shares of 1 as horizontal bars.

    Args:
        groups: by heading the rows; by name of the row, one share per model, None for no bar.
        models: their names; after six the colours begin again.
        axis: what the shares are.
        reference: a share to be marked, such as chance.
    """
    names = [name for rows in groups.values() for name in rows]
    height = (BAR * len(models) + GAP) * len(names) + HEAD * sum(map(bool, groups))
    left, whole = LEFT + LETTER * max(map(len, names)), height + BELOW + ABOVE
    with style():
        figure = Figure(figsize=(WIDTH, whole))
        axes = figure.add_axes((left / WIDTH, BELOW / whole, 1 - (left + RIGHT) / WIDTH, height / whole))
        axes.set(xlim=(0, 1), ylim=(height, 0), xlabel=axis)
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_yticks(_draw(axes, groups), names, parse_math=False)
        axes.tick_params(axis="y", length=0)
        axes.axvline(reference, color="#444444", linewidth=0.8, linestyle=(0, (4, 3)))
        handles = [Patch(color=COLOURS[number % len(COLOURS)], label=name) for number, name in enumerate(models)]
        legend = figure.legend(handles=handles, loc="upper right", ncols=len(models), fontsize=8.5)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure


def bars_figure(data: BarsFigure) -> Figure:
    """The means of the experiments as bars."""
    groups: dict[str, dict[str, list[float | None]]] = {}
    for row in data.rows:
        values = [None if mark is None else mark.mean for mark in row.marks]
        groups.setdefault(row.heading, {})[row.name] = values
    return bars(groups, data.experiments, axis=data.metric.title, reference=data.reference)


def _draw(axes: Axes, groups: Groups) -> list[float]:
    """Draw all bars and the headings, the first group on top, and return where the names of rows belong."""
    top, places = 0.0, []
    for heading, rows in groups.items():
        if heading:
            top += HEAD
            place = axes.get_yaxis_transform()
            axes.text(-0.02, top - 0.05, heading, transform=place, weight="bold", ha="right", parse_math=False)
        for values in rows.values():
            places.append(top + BAR * len(values) / 2)
            for number, value in enumerate(values):
                if value is not None:
                    axes.barh(
                        top + BAR * (number + 0.5), value, height=BAR, color=COLOURS[number % len(COLOURS)], linewidth=0
                    )
            top += BAR * len(values) + GAP
    return places
