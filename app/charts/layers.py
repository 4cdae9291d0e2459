"""Charts of layers: a number of each against weights remaining, overlap of masks, initial weights."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from app.charts.chart import DENSITY, METHOD, Chart, Panel, Spec, columns
from app.charts.colours import INK_COLOUR, RULE, SOFT, shade
from app.charts.parts import ZOOM, labels_of, legend, single, style_channels
from app.charts.scales import PERCENT_REMAINING, ValueScale, density_channel, spread
from app.plotting.data import HistogramsFigure, LayersFigure, Mark, OverlapFigure
from app.plotting.line_styles import LineStyle
from app.plotting.numbers import weights

HEIGHT = 240
BAND_OPACITY = 0.13
CHANCE, ALL = "chance", "all"


def layers_chart(data: LayersFigure) -> Chart:
    """A number of each layer: a panel per method, lines coloured by depth."""
    names = list(dict.fromkeys(name for panel in data.panels.values() for name in panel))
    rows = [
        {"panel": title, "layer": name, **_point(mark)}
        for title, panel in data.panels.items()
        for name, line in panel.items()
        for mark in line
        if isfinite(mark.mean)
    ]
    scale = ValueScale(data.metric)
    channels = {
        "color": {
            "field": "layer",
            "type": "nominal",
            "scale": {"domain": names, "range": [shade(place, len(names)) for place in range(len(names))]},
            "legend": legend(data.layers, data.title) | {"values": list(data.layers)},
        }
    }
    below = [] if data.reference is None else [_level(scale, data.reference)]
    spec = _lines(scale, channels, below, said=f"datum.layer + {_at(scale)}")
    return Chart(
        panels=[Panel(title=name, spec=spec, where={"panel": [name]}, subject=name) for name in data.panels],
        rows=columns(rows),
    )


def overlap_chart(data: OverlapFigure) -> Chart:
    """Overlap of masks: a panel per layer, a line per method, chance dashed with its band."""
    names = labels_of(data.legend)
    styles = [(name, style) for style, name in names.items()]
    rows: list[dict[str, Any]] = []
    for panel in data.panels:
        for line in panel.lines:
            rows += [
                {"panel": panel.name, METHOD: names[line.line_style], CHANCE: 0, **_point(mark)} for mark in line.marks
            ]
        for line in panel.chances:
            # Where each method has its own chance, its line has the method's colour.
            name = names[line.line_style] if line.line_style in names else _of_colour(styles, line.line_style.colour)
            name = None if name == CHANCE else name
            rows += [
                {"panel": panel.name, METHOD: name, CHANCE: 1, **_point(mark)} for mark in line.marks if mark.low > 0
            ]
    scale = ValueScale(data.metric)
    channels = style_channels(styles, METHOD)
    grey = {"condition": {"test": f"isValid(datum.{METHOD})", **channels["color"]}, "value": SOFT}
    chance: list[Spec] = [
        {
            "transform": [{"filter": f"datum.{CHANCE} === 1"}],
            "mark": {"type": "area", "opacity": 0.2, "clip": True, "aria": False},
            "encoding": _band(scale) | {"color": grey},
        },
        {
            "transform": [{"filter": f"datum.{CHANCE} === 1"}],
            "mark": {"type": "line", "strokeDash": [4, 3], "strokeWidth": 1, "clip": True, "aria": False},
            "encoding": {**_place(scale), "color": grey},
        },
    ]
    spec = _lines(scale, channels, chance, said=f"datum.{METHOD} + {_at(scale)}", own=f"datum.{CHANCE} === 0")
    return Chart(
        panels=[Panel(title=panel.name, spec=spec, where={"panel": [panel.name]}) for panel in data.panels],
        rows=columns(rows),
    )


def histograms_chart(data: HistogramsFigure) -> Chart:
    """Distributions of initial weights: a panel per layer, all as an area, survivors as outlines."""
    densities = {round_: weights(density) for round_, density in data.densities.items()}
    names = [ALL, *densities.values()]
    pruned = sum(round_ > 0 for round_ in densities)
    shades = iter([shade(place, pruned) for place in range(pruned)])
    range_ = [RULE, *(INK_COLOUR if round_ == 0 else next(shades) for round_ in densities)]
    rows: list[dict[str, Any]] = []
    for panel in data.panels:
        lines = {ALL: panel.everything} | {densities[round_]: shares for round_, shares in panel.survivors.items()}
        of = {ALL: None} | {densities[round_]: density for round_, density in data.densities.items()}
        for name, shares in lines.items():
            # A step reaches to the edge after the last bin.
            for left, share in zip(panel.edges, [*shares, shares[-1]], strict=True):
                rows.append(
                    {
                        "panel": panel.name,
                        "line": name,
                        DENSITY: of[name],
                        "weight": _short(left),
                        "share": _short(share),
                    }
                )
    colours = {
        "field": "line",
        "type": "nominal",
        "scale": {"domain": names, "range": range_},
        "legend": legend(names, PERCENT_REMAINING),
    }
    place: Spec = {
        "x": {
            "field": "weight",
            "type": "quantitative",
            "axis": {"title": "Initial weight", "grid": False},
            "scale": {"nice": False, "zero": False},
        },
        "y": {"field": "share", "type": "quantitative", "stack": None, "axis": {"title": "Probability density"}},
        "color": colours,
    }
    spec = single(
        {
            "layer": [
                {
                    "transform": [{"filter": {"field": "line", "equal": ALL}}],
                    "mark": {"type": "area", "interpolate": "step-after", "clip": True, "aria": False},
                    "encoding": place,
                },
                {
                    "transform": [{"filter": {"not": {"field": "line", "equal": ALL}}}],
                    "params": [ZOOM],
                    "mark": {
                        "type": "line",
                        "interpolate": "step-after",
                        "strokeWidth": 1.3,
                        "clip": True,
                        "aria": False,
                    },
                    "encoding": place,
                },
            ]
        },
        height=HEIGHT,
    )
    return Chart(
        panels=[Panel(title=panel.name, spec=spec, where={"panel": [panel.name]}) for panel in data.panels],
        rows=columns(rows),
    )


def _point(mark: Mark) -> dict[str, Any]:
    return {DENSITY: mark.x, "mean": _short(mark.mean), "low": _short(mark.low), "high": _short(mark.high), "n": mark.n}


def _of_colour(styles: Sequence[tuple[str, LineStyle]], colour: str) -> str | None:
    return next((name for name, style in styles if style.colour == colour), None)


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _at(scale: ValueScale) -> str:
    return f"', ' + format(datum.percent, '.3~r') + ' % of weights: ' + {scale.written('datum.mean')} + {spread(scale)}"


def _place(scale: ValueScale) -> Spec:
    value = {"type": "quantitative", "scale": scale.scale(), "axis": scale.axis()}
    return {"x": density_channel(), "y": {"field": "y", **value}}


def _band(scale: ValueScale) -> Spec:
    place = _place(scale)
    return {"x": place["x"], "y": {**place["y"], "field": "low_y"}, "y2": {"field": "high_y"}}


def _level(scale: ValueScale, value: float) -> Spec:
    return {
        "data": {"values": [{}]},
        "mark": {"type": "rule", "strokeDash": [4, 3], "color": SOFT, "aria": False},
        "encoding": {"y": {"datum": scale.at(value), "type": "quantitative"}},
    }


def _lines(
    scale: ValueScale, channels: dict[str, Spec], below: Sequence[Spec], *, said: str, own: str = "true"
) -> Spec:
    """Lines with bands and points; `said` is the expression of what is told of a point, `own` of the rows of lines."""
    color = {"color": channels["color"]}
    lines = color | {name: channels[name] for name in ("strokeDash",) if name in channels}
    points = color | {name: channels[name] for name in ("shape",) if name in channels}
    mine = {"filter": own}
    return single(
        {
            "transform": [
                {"calculate": f"100 * datum.{DENSITY}", "as": "percent"},
                *(
                    {"calculate": scale.place(f"datum.{name}"), "as": as_}
                    for name, as_ in (("mean", "y"), ("low", "low_y"), ("high", "high_y"))
                ),
                {"calculate": said, "as": "said"},
            ],
            "layer": [
                *below,
                {
                    "transform": [mine],
                    "mark": {"type": "area", "opacity": BAND_OPACITY, "clip": True, "aria": False},
                    "encoding": _band(scale) | color,
                },
                {
                    "transform": [mine],
                    "mark": {"type": "line", "strokeWidth": 1.5, "clip": True, "aria": False},
                    "encoding": _place(scale) | lines,
                },
                {
                    "transform": [mine],
                    "params": [ZOOM],
                    "mark": {"type": "point", "filled": True, "size": 26, "clip": True, "opacity": 1},
                    "encoding": _place(scale)
                    | points
                    | {"tooltip": {"field": "said"}, "description": {"field": "said"}},
                },
            ],
        },
        height=HEIGHT,
    )
