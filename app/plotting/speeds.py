"""How many times as fast something is as it was dense, against weights remaining."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from app.plotting.axes import DENSITY_HEADING, density_axis
from app.plotting.canvas import blocks, label_axes, legend
from app.plotting.line_styles import TICKET_LOOKS
from app.plotting.style import style


def speeds_figure(speeds: Mapping[str, Mapping[float, float]], break_evens: Mapping[str, float | None]) -> Figure:
    """A line for each of what was measured, both axes logarithmic; above the line at 1 sparse is faster.

    Args:
        speeds: by name and by density, how many times as fast it is, all above 0.
        break_evens: by name the density below which it is faster, marked on the line at 1; None for none.
    """
    with style():
        figure, (block,) = blocks([1])
        (axes,) = block.panels
        axes.axhline(1, color="#444444", linewidth=0.8, zorder=1.5)
        looks = [TICKET_LOOKS[number % len(TICKET_LOOKS)] for number in range(len(speeds))]
        for (name, values), look in zip(speeds.items(), looks, strict=True):
            places = sorted(values, reverse=True)
            drawn = {"color": look.colour, "linestyle": look.line, "marker": look.marker}
            axes.plot(places, [values[place] for place in places], **drawn)
            if (point := break_evens.get(name)) is not None:
                axes.plot([point], [1], color=look.colour, marker="|", markersize=11, markeredgewidth=1.6)
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_locator(LogLocator(base=2))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        density_axis(axes, [place for values in speeds.values() for place in values], points=block.width)
        label_axes(axes, DENSITY_HEADING, "Times as fast as dense")
        handles = [Line2D([], [], color=look.colour, linestyle=look.line, marker=look.marker) for look in looks]
        legend(block, handles, list(speeds), each=2.9)
    return figure
