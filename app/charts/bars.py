"""Charts of categories: accuracy by number of operators or by condition, and matrices."""

import json
from collections.abc import Sequence
from math import isfinite
from textwrap import wrap
from typing import Any

from app.charts.chart import EXPERIMENT, Chart, Panel, Spec, columns
from app.charts.colours import INK_COLOUR, SOFT, TINT
from app.charts.parts import single, style_channels
from app.charts.scales import ValueScale, spread
from app.plotting.data import BarsFigure, MatrixFigure, OperatorsFigure
from app.plotting.line_styles import experiment_style

ROW_HEIGHT = 34
HEIGHT = 300
NARROW, NARROW_LABEL = 480, 170  # pixels: a chart that is narrower, as on a phone, and its longest names of rows
LABEL = 24  # letters of a line below the horizontal axis, and of a name of a row on a phone


def operators_chart(data: OperatorsFigure) -> Chart:
    """Accuracy against number of operators: a line per experiment; the majority dashed, what was trained on shaded."""
    names = {entry.line_style: entry.name or entry.label for entry in data.legend}
    rows: list[dict[str, Any]] = [
        {
            EXPERIMENT: names[line.line_style],
            "x": mark.x,
            "mean": mark.mean,
            "low": mark.low,
            "high": mark.high,
            "n": mark.n,
            "majority": None,
        }
        for line in data.lines
        for mark in line.marks
    ]
    for number, baseline in enumerate(data.baselines):
        rows += [
            {EXPERIMENT: None, "x": x, "mean": None, "low": None, "high": None, "n": number, "majority": value}
            for x, value in baseline
        ]
    scale = ValueScale(data.metric, from_zero=False)
    channels = style_channels([(names[entry.line_style], entry.line_style) for entry in data.legend], EXPERIMENT)
    numbers = sorted(data.ticks)
    last = f"datum.value === {numbers[-1]} ? '{numbers[-1]}+' : datum.value"
    x: Spec = {
        "field": "x",
        "type": "quantitative",
        "scale": {"domain": [numbers[0] - 0.5, numbers[-1] + 0.5], "nice": False, "zero": False},
        "axis": {"title": "Operators in the longer formula", "values": numbers, "labelExpr": last, "grid": False},
    }
    y: Spec = {
        "type": "quantitative",
        "scale": {"zero": False, "nice": True},
        "axis": {"title": data.metric.heading},
    }
    own, majority = {"filter": "isValid(datum.mean)"}, {"filter": "isValid(datum.majority)"}
    layers: list[Spec] = [
        {
            "transform": [majority],
            "mark": {"type": "line", "strokeDash": [4, 3], "color": SOFT, "aria": False},
            "encoding": {"x": x, "y": {"field": "majority_y", **y}, "detail": {"field": "n"}},
        },
        {
            "transform": [own],
            "mark": {"type": "rule", "opacity": 0.65, "aria": False},
            "encoding": {"x": x, "y": {"field": "low_y", **y}, "y2": {"field": "high_y"}, "color": channels["color"]},
        },
        {
            "transform": [own],
            "mark": {"type": "line", "strokeWidth": 1.8, "aria": False},
            "encoding": {
                "x": x,
                "y": {"field": "y", **y},
                "color": channels["color"],
                "strokeDash": channels["strokeDash"],
            },
        },
        {
            "transform": [own],
            "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1},
            "encoding": {
                "x": x,
                "y": {"field": "y", **y},
                "color": channels["color"],
                "shape": channels["shape"],
                "tooltip": {"field": "said"},
                "description": {"field": "said"},
            },
        },
    ]
    if data.trained is not None:
        shaded: Spec = {
            "data": {"values": [{"from": numbers[0] - 0.5, "to": data.trained + 0.5}]},
            "mark": {"type": "rect", "color": TINT, "aria": False},
            "encoding": {"x": {**x, "field": "from"}, "x2": {"field": "to"}},
        }
        said: Spec = {
            "data": {"values": [{"to": data.trained + 0.4}]},
            "mark": {
                "type": "text",
                "text": "trained on",
                "align": "right",
                "baseline": "bottom",
                "color": SOFT,
                "y": {"expr": "height - 4"},
            },
            "encoding": {"x": {**x, "field": "to"}},
        }
        layers = [shaded, said, *layers]
    spec = single(
        {
            "transform": [
                *_places(scale, "mean", "low", "high", "majority"),
                {
                    "calculate": f"datum.{EXPERIMENT} + ', ' + datum.x + ' operators: ' + "
                    f"{scale.written('datum.mean')} + {spread(scale)}",
                    "as": "said",
                },
            ],
            "layer": layers,
        },
        height=HEIGHT,
    )
    return Chart(panels=[Panel(title="", spec=spec)], rows=columns(rows))


def _narrow(names: Sequence[str]) -> dict[str, list[str]]:
    """The lines of long names on a phone, where two that begin alike would be cut off alike."""
    return {name: name.split(", ") if ", " in name else wrap(name, LABEL) for name in names}


def bars_chart(data: BarsFigure) -> Chart:
    """Many quantities of a few experiments: a point each, with a bar from least to greatest of the seeds."""
    scale = ValueScale(data.metric)
    headings = list(dict.fromkeys(row.heading for row in data.rows))
    rows = [
        {
            EXPERIMENT: experiment,
            "heading": row.heading,
            "row": row.name,
            "mean": mark.mean,
            "low": mark.low,
            "high": mark.high,
            "n": mark.n,
        }
        for row in data.rows
        for experiment, mark in zip(data.experiments, row.marks, strict=True)
        if mark is not None
    ]
    channels = style_channels(
        [(name, experiment_style(rank)) for rank, name in enumerate(data.experiments)], EXPERIMENT
    )
    x: Spec = {
        "type": "quantitative",
        "scale": {"domain": [0, data.metric.scale], "nice": False},
        "axis": {"title": wrap(data.metric.heading, LABEL)},
    }
    panels = []
    for heading in headings:
        names = list(dict.fromkeys(row.name for row in data.rows if row.heading == heading))
        y: Spec = {
            "field": "row",
            "type": "nominal",
            "sort": names,
            "axis": {
                "title": None,
                "grid": True,
                "domain": False,
                "ticks": False,
                "labelExpr": f"containerSize()[0] < {NARROW} ? ({json.dumps(_narrow(names))})[datum.label] "
                ": split(datum.label, ', ')",  # a line for each part
                "labelLimit": {"expr": f"containerSize()[0] < {NARROW} ? {NARROW_LABEL} : {NARROW}"},
            },
        }
        apart: Spec = {"field": EXPERIMENT, "sort": list(data.experiments)}
        layers: list[Spec] = [
            {
                "data": {"values": [{}]},
                "mark": {"type": "rule", "strokeDash": [4, 3], "color": SOFT, "aria": False},
                "encoding": {"x": {"datum": scale.at(data.reference), **x}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.65, "aria": False},
                "encoding": {
                    "x": {"field": "low_y", **x},
                    "x2": {"field": "high_y"},
                    "y": y,
                    "yOffset": apart,
                    "color": channels["color"],
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {
                    "x": {"field": "y", **x},
                    "y": y,
                    "yOffset": apart,
                    "color": channels["color"],
                    "shape": channels["shape"],
                    "tooltip": {"field": "said"},
                    "description": {"field": "said"},
                },
            },
        ]
        interval = f"', 95 % interval ' + {scale.written('datum.low')} + ' to ' + {scale.written('datum.high')}"
        bar = f"(datum.n > 1 ? {spread(scale)} : {interval})"
        told = f"datum.{EXPERIMENT} + ', ' + datum.row + ': ' + {scale.written('datum.mean')} + {bar}"
        spec = single(
            {
                "transform": [*_places(scale, "mean", "low", "high"), {"calculate": told, "as": "said"}],
                "layer": layers,
            },
            height=len(names) * (ROW_HEIGHT + 8 * (len(data.experiments) - 1)),
        )
        panels.append(Panel(title=heading, spec=spec, where={"heading": [heading]}))
    return Chart(panels=panels, rows=columns(rows))


def _places(scale: ValueScale, *names: str) -> list[Spec]:
    """Transforms of values to where they stand: `mean` to `y`, `low` to `low_y`."""
    plain = f"{scale.metric.scale:g}"
    return [{"calculate": f"{plain} * datum.{name}", "as": "y" if name == "mean" else f"{name}_y"} for name in names]


def matrix_chart(data: MatrixFigure) -> Chart:
    """Numbers in cells, shaded from the least to the greatest of each column over all panels."""
    seen = [
        [row[column] for panel in data.panels for row in panel.values if isfinite(row[column])]
        for column in range(len(data.columns))
    ]
    rows = [
        {
            "panel": panel.name,
            "row": data.rows[down],
            "column": data.columns[across],
            "text": text,
            "shade": _shade(panel.values[down][across], seen[across]),
        }
        for panel in data.panels
        for down, texts in enumerate(panel.texts)
        for across, text in enumerate(texts)
    ]
    place: Spec = {
        "y": {
            "field": "row",
            "type": "nominal",
            "sort": list(data.rows),
            "axis": {"title": None, "domain": False, "ticks": False, "labelLimit": 170},
        },
        "x": {
            "field": "column",
            "type": "nominal",
            "sort": list(data.columns),
            "axis": {
                "title": None,
                "orient": "top",
                "domain": False,
                "ticks": False,
                "labelAngle": 0,
                "labelLimit": 130,
            },
        },
    }
    spec = single(
        {
            "encoding": place,
            "layer": [
                {
                    "mark": {"type": "rect", "color": "var(--c-0072b2)", "aria": False},
                    "encoding": {
                        "opacity": {
                            "field": "shade",
                            "type": "quantitative",
                            "scale": {"domain": [0, 1], "range": [0, 0.45]},
                            "legend": None,
                        }
                    },
                },
                {
                    "mark": {"type": "text", "fontSize": 12.5, "color": INK_COLOUR},
                    "encoding": {"text": {"field": "text"}, "description": {"field": "text"}},
                },
            ],
        },
        height=ROW_HEIGHT * len(data.rows),
    )
    return Chart(
        panels=[Panel(title=panel.name, spec=spec, where={"panel": [panel.name]}) for panel in data.panels],
        rows=columns(rows),
    )


def _shade(value: float, seen: list[float]) -> float:
    """Where a value lies between the least and the greatest, from 0 to 1; 0 where there is none."""
    if not isfinite(value) or max(seen) == min(seen):
        return 0.0
    return round((value - min(seen)) / (max(seen) - min(seen)), 4)
