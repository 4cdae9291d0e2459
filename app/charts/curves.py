"""Charts over iterations: learning curves of a lottery's networks, and of trainings by `fit`."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from app.charts.chart import DENSITY, EXPERIMENT, METHOD, REPLICATE, SHOWN, Chart, Panel, Spec, columns
from app.charts.colours import INK_COLOUR, colour, shade
from app.charts.parts import ZOOM, dashes, legend, single
from app.charts.scales import PERCENT_REMAINING, ValueScale, iteration_channel, spread
from app.plotting.data import CurvesFigure, CurvesGroup, IterationsFigure, NetworkCurve
from app.plotting.line_styles import LineStyle
from app.plotting.numbers import weights

MOST = 100  # points of a curve on the page
FEW = 30  # points that the lines of trainings may have and still show each
DIGITS = 6  # of a value there
LINES = "lines"  # the parameter that says what a line is: the "mean" over networks, or "each" network
LISTS = ("number", "iteration")  # columns that networks have in common
LINE = "line"  # the column by which lines have their colour


def curves_chart(data: CurvesFigure) -> Chart:
    """Learning curves: a panel per experiment and method, colour tells the density; the dense network is in each."""
    from app.plotting.scales import frame

    networks = [_thinned(each) for each in data.networks]
    panels = []
    for group in data.groups:
        marks = [line for panel in group.panels for line in panel.curves.values()]
        domain = frame(marks, data.metric)
        mine = [each for each in networks if each.experiment == group.experiment]
        dense = next((each.method for each in mine if each.round == 0), "dense")
        for panel in group.panels:
            shown = [panel.method, *([panel.compared] if panel.compared else [])]
            panels.append(
                Panel(
                    title=f"{group.title}: {panel.name}" if group.title else panel.name,
                    spec=_spec(
                        _by_density(group, mine), ValueScale(data.metric), domain, panel.line_style, panel.method, dense
                    ),
                    where={EXPERIMENT: [group.experiment], METHOD: [dense, *shown]},
                    subject=panel.method,
                )
            )
    few = {group.experiment: set(group.densities) for group in data.groups}
    lines = {(each.experiment, each.round): _density(each) for each in networks}
    rows = [
        _row(each, number)
        | {LINE: lines[each.experiment, each.round], SHOWN: int(each.round in few.get(each.experiment, ()))}
        for number, each in enumerate(networks)
    ]
    return _chart(panels, rows, networks)


def iterations_chart(data: IterationsFigure) -> Chart:
    """Values of trainings over iterations: a panel per metric, a line per experiment."""
    from app.plotting.scales import frame

    styles = [(entry.name or entry.label, entry.line_style) for entry in data.legend]
    domain = frame([line.marks for panel in data.panels.values() for line in panel], data.metric)
    networks = [(name, _thinned(each)) for name, some in data.networks.items() for each in some]
    several = len(data.networks) > 1
    panels = [
        Panel(
            title=name if several else "",
            spec=_spec(
                _by_experiment(styles),
                ValueScale(data.metric),
                domain,
                None,
                None,
                None,
                heading=data.heading,
                points_shown=max(len(each.numbers) for _, each in networks) <= FEW,
            ),
            where={"panel": [name]},
        )
        for name in data.networks
    ]
    rows = [_row(each, number) | {LINE: each.experiment, "panel": name} for number, (name, each) in enumerate(networks)]
    return _chart(panels, rows, [each for _, each in networks])


def _chart(panels: Sequence[Panel], rows: list[dict[str, Any]], networks: Sequence[NetworkCurve]) -> Chart:
    """A chart whose rows have the lists of numbers and iterations by reference, as many networks have the same."""
    known: dict[str, dict[tuple[float, ...], int]] = {name: {} for name in LISTS}
    for row, each in zip(rows, networks, strict=True):
        for name, values in zip(LISTS, (each.numbers, each.iterations), strict=True):
            row[name] = known[name].setdefault(tuple(values), len(known[name]))
        row["value"] = [float(f"{value:.{DIGITS}g}") if isfinite(value) else None for value in each.values]
    return Chart(panels=panels, rows=columns(rows), lists={name: list(map(list, each)) for name, each in known.items()})


def _row(each: NetworkCurve, number: int) -> dict[str, Any]:
    return {
        EXPERIMENT: each.experiment,
        METHOD: each.method or None,
        REPLICATE: each.replicate,
        DENSITY: each.density,
        "branch": each.branch,
        "round": each.round,
        "running": int(each.running),
        "network": number,
    }


def _thinned(each: NetworkCurve) -> NetworkCurve:
    """At most about `MOST` points, evenly spread, the first and the last among them."""
    step = -(-len(each.numbers) // MOST)
    if step <= 1:
        return each
    last = len(each.numbers) - 1
    kept = [place for place in range(last + 1) if place % step == 0 or place == last]
    return NetworkCurve(
        experiment=each.experiment,
        method=each.method,
        replicate=each.replicate,
        branch=each.branch,
        round=each.round,
        density=each.density,
        numbers=[each.numbers[place] for place in kept],
        iterations=[each.iterations[place] for place in kept],
        values=[each.values[place] for place in kept],
        running=each.running,
    )


def _density(each: NetworkCurve) -> str:
    return "100" if each.round == 0 or each.density is None else f"{weights(each.density)}"


def _by_density(group: CurvesGroup, networks: Sequence[NetworkCurve]) -> dict[str, Spec]:
    """The colour of every round; the legend has those that are shown at first."""
    rounds = {each.round: _density(each) for each in sorted(networks, key=lambda each: -each.round)}
    names = [rounds[round_] for round_ in sorted(rounds)]
    pruned = sum(round_ > 0 for round_ in rounds)
    range_ = [INK_COLOUR] * (0 in rounds) + [shade(place, pruned) for place in range(pruned)]
    shown = [rounds[round_] for round_ in sorted(group.densities) if round_ in rounds]
    return {
        "color": {
            "field": LINE,
            "type": "nominal",
            "scale": {"domain": names, "range": range_},
            "legend": legend(shown, PERCENT_REMAINING) | {"values": shown, "symbolType": "stroke"},
        }
    }


def _by_experiment(styles: Sequence[tuple[str, LineStyle]]) -> dict[str, Spec]:
    names = [name for name, _ in styles]

    def channel(range_: list[Any]) -> Spec:
        return {"field": LINE, "type": "nominal", "scale": {"domain": names, "range": range_}, "legend": legend(names)}

    return {
        "color": channel([colour(style.colour) for _, style in styles]),
        "strokeDash": channel([dashes(style.line) for _, style in styles]),
    }


def _spec(
    channels: Mapping[str, Spec],
    scale: ValueScale,
    domain: tuple[float, float],
    line_style: LineStyle | None,
    subject: str | None,
    dense: str | None,
    *,
    heading: str | None = None,
    points_shown: bool = False,
) -> Spec:
    """Lines with bands, and points that are told under the pointer.

    Args:
        channels: colour, and dashes where these differ between lines.
        scale: of the values.
        domain: what is seen at first.
        line_style: of the subject; None where there is none.
        subject: the method that the panel is about, the others but `dense` being thin; None for no method.
        dense: what the dense network's method is called.
        heading: of the vertical axis.
        points_shown: whether points can be seen without the pointer.
    """
    value = {"type": "quantitative", "scale": scale.scale(domain), "axis": scale.axis(heading)}
    whole = {"or": [{"field": METHOD, "equal": subject}, {"field": METHOD, "equal": dense}]} if subject else "true"
    few = {"filled": True, "size": 22, "clip": True, "aria": False} if points_shown else False
    mark: Spec = {"type": "line", "clip": True, "aria": False, "point": few}
    encoding: Spec = {
        "x": iteration_channel(),
        "y": {"field": "y", **value},
        "detail": [{"field": name} for name in (EXPERIMENT, METHOD, "round", "key")],
        **channels,
        "opacity": {"condition": {"test": {"and": [whole, "!datum.running"]}, "value": 1}, "value": 0.55},
        "strokeWidth": {"condition": {"test": whole, "value": 1.8}, "value": 0.9},
    }
    if line_style is not None:
        pattern = {"test": {"field": METHOD, "equal": subject}, "value": dashes(line_style.line)}
        encoding["strokeDash"] = {"condition": pattern, "value": [1, 0]}
    band = {
        "transform": [{"filter": whole}] if subject else [],
        "mark": {"type": "area", "opacity": 0.13, "line": False, "clip": True, "aria": False},
        "encoding": {
            "x": iteration_channel(),
            "y": {"field": "low_y", **value},
            "y2": {"field": "high_y"},
            "detail": encoding["detail"],
            "color": channels["color"],
        },
    }
    points = {
        "params": [
            ZOOM,
            {
                "name": "near",
                "select": {"type": "point", "nearest": True, "on": "pointerover", "clear": "pointerout"},
            },
        ],
        "mark": {"type": "point", "filled": True, "size": 60, "clip": True},
        "encoding": {
            "x": iteration_channel(),
            "y": {"field": "y", **value},
            "color": channels["color"],
            "opacity": {"condition": {"param": "near", "value": 1, "empty": False}, "value": 0},
            "tooltip": {"field": "said"},
            "description": {"field": "said"},
        },
    }
    return single(
        {"transform": _transforms(scale), "layer": [band, {"mark": mark, "encoding": encoding}, points]},
        params=[{"name": LINES, "value": "mean"}],
    )


def _transforms(scale: ValueScale) -> list[Spec]:
    """From a row per network to the points of lines: means where all networks of a line were measured."""
    groups = [EXPERIMENT, METHOD, "round", LINE, "running", "key"]
    unfinished = "(datum.running ? ', still training' : '')"
    method = f"(datum.{METHOD} ? ', ' + datum.{METHOD} + ', ' + datum.{LINE} + ' % of weights' : '')"
    return [
        {"calculate": f"{LINES} === 'each' || datum.running ? datum.network : -1", "as": "key"},
        {"flatten": [*LISTS, "value"]},
        {"filter": "isValid(datum.value)"},
        {
            "aggregate": [
                {"op": "mean", "field": "value", "as": "mean"},
                {"op": "min", "field": "value", "as": "low"},
                {"op": "max", "field": "value", "as": "high"},
                {"op": "mean", "field": "iteration", "as": "iteration"},
                {"op": "count", "as": "n"},
            ],
            "groupby": [*groups, "number"],
        },
        {"joinaggregate": [{"op": "max", "field": "n", "as": "most"}], "groupby": groups},
        *(
            {"calculate": scale.place(f"datum.{name}"), "as": as_}
            for name, as_ in (("mean", "y"), ("low", "low_y"), ("high", "high_y"))
        ),
        {
            "calculate": f"datum.{EXPERIMENT} + {method} + {unfinished} + ', iteration ' + "
            f"format(datum.iteration, ',.0f') + ': ' + {scale.written('datum.mean')} + {spread(scale)}",
            "as": "said",
        },
    ]
