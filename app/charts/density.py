"""Charts against weights remaining: every method a line, experiments in one drawing."""

from collections.abc import Sequence
from typing import Any

from app.charts.chart import DENSITY, EXPERIMENT, METHOD, REPLICATE, Chart, Columns, Panel, Spec, columns
from app.charts.colours import INK_COLOUR, PAPER_COLOUR
from app.charts.intervals import BARS, SPREAD, over_replicates
from app.charts.parts import DASHED_SIZE, ZOOM, dashes, labels_of, legend, single, style_channels
from app.charts.scales import ValueScale, density_channel
from app.plotting.data import DensityFigure, Mark, NetworkValue
from app.plotting.line_styles import DENSE_STYLE, LineStyle, experiment_style

PANEL = "panel"  # column of the names of panels
ASIDE = 0.005  # of the width, between points of one round


def density_chart(data: DensityFigure) -> Chart:
    """One metric against weights remaining; from single networks where there are any, else from their means."""
    styles = [(name, style) for style, name in labels_of(data.legend).items()]
    dense = next((name for name, style in styles if style == DENSE_STYLE), "dense")
    table = _networks(data.networks, dense) if data.networks else _marks(data, dense)
    experiments = [name for name in dict.fromkeys(table.get(EXPERIMENT, ())) if name is not None]
    scale = ValueScale(data.metric, from_zero=data.from_zero)
    spec = _spec(styles, experiments, scale, summarised=not data.networks, dense=dense)
    # Panels that are not of an experiment each have quantities of their own.
    apart = not data.networks and len(data.panels) > 1 and not any(panel.experiment for panel in data.panels)
    names = [panel.name for panel in data.panels] if apart else []
    panels = [Panel(title=name, spec=spec, where={PANEL: [name]}) for name in names] or [Panel(title="", spec=spec)]
    return Chart(panels=panels, rows=table)


def _spec(
    styles: Sequence[tuple[str, LineStyle]],
    experiments: Sequence[str],
    scale: ValueScale,
    *,
    summarised: bool,
    dense: str,
) -> Spec:
    several = len(experiments) > 1
    channels = style_channels(styles, METHOD)
    if several:
        looks = [experiment_style(rank) for rank in range(len(experiments))]
        channels["strokeDash"] = {
            "field": EXPERIMENT,
            "type": "nominal",
            "scale": {"domain": list(experiments), "range": [dashes(look.line) for look in looks]},
            "legend": legend(experiments) | {"symbolStrokeColor": INK_COLOUR, "symbolSize": DASHED_SIZE},
        }
    value = {"type": "quantitative", "scale": scale.scale(), "axis": scale.axis()}
    place = density_channel("place")
    line = {"x": place, "y": {"field": "y", **value}, "detail": {"field": EXPERIMENT}}
    fill = {"condition": {"test": "datum.bound > 0", "value": PAPER_COLOUR}, **channels["color"]}
    own = {"filter": "!datum.start"}
    layers: list[Spec] = [
        {
            "transform": [{"filter": {"field": METHOD, "equal": dense}}],
            "mark": {"type": "rule", "opacity": 0.4, "aria": False, "clip": True},
            "encoding": {
                "y": {"field": "y", **value},
                "strokeDash": channels["strokeDash"] if several else {"value": [1, 0]},
            },
        },
        {
            "transform": [own],
            "mark": {"type": "rule", "opacity": 0.65, "aria": False, "clip": True},
            "encoding": {
                "x": place,
                "y": {"field": "low_y", **value},
                "y2": {"field": "high_y"},
                "color": channels["color"],
            },
        },
        {
            "mark": {"type": "line", "strokeWidth": 1.8, "aria": False, "clip": True},
            "encoding": line | {"color": channels["color"], "strokeDash": channels["strokeDash"]},
        },
        {
            "transform": [own],
            "params": [ZOOM],
            "mark": {"type": "point", "filled": False, "size": 48, "strokeWidth": 1.6, "opacity": 1, "clip": True},
            "encoding": line
            | {
                "color": channels["color"],
                "shape": channels["shape"],
                "fill": fill,
                "tooltip": {"field": "said"},
                "description": {"field": "said"},
            },
        },
        {
            "transform": [own],
            "mark": {"type": "text", "dy": -12, "aria": False, "clip": True},
            "encoding": line
            | {
                "color": channels["color"],
                "text": {"condition": {"test": "datum.bound > 0", "value": "\N{UPWARDS ARROW}"}, "value": ""},
            },
        },
    ]
    return single(
        {"transform": _transforms(scale, summarised=summarised, several=several), "layer": layers},
        params=[{"name": BARS, "value": SPREAD if summarised else "interval"}],
    )


def _transforms(scale: ValueScale, *, summarised: bool, several: bool) -> list[Spec]:
    whose = f"datum.{EXPERIMENT} + ', ' + " if several else ""
    least = "(datum.bound > 0 ? 'at least ' : '')"
    bar = f"{scale.written('datum.low')} + ' to ' + {scale.written('datum.high')}"
    what = "'95 % interval'" if summarised else f"({BARS} === 'interval' ? '95 % interval' : 'from least to greatest')"
    told = f"(datum.n > 1 && isValid(datum.low) ? ', ' + {what} + ' ' + {bar} : '')"
    return [
        *([] if summarised else over_replicates(groups=[EXPERIMENT, METHOD, "round", "start"])),
        {"calculate": f"100 * datum.{DENSITY}", "as": "percent"},
        *(
            {"calculate": scale.place(f"datum.{name}"), "as": as_}
            for name, as_ in (("mean", "y"), ("least", "least_y"), ("greatest", "greatest_y"))
        ),
        *_aside(),
        {"calculate": "min(datum.least_y, datum.greatest_y)", "as": "bottom"},
        {"calculate": "max(datum.least_y, datum.greatest_y)", "as": "top"},
        {
            "joinaggregate": [
                {"op": "min", "field": "bottom", "as": "bottom"},
                {"op": "max", "field": "top", "as": "top"},
            ]
        },
        *(
            {
                "calculate": f"{BARS} === 'none' || !isValid(datum.{name}) ? datum.y : "
                + scale.clipped(scale.place(f"datum.{name}"), "datum.bottom", "datum.top"),
                "as": f"{name}_y",
            }
            for name in ("low", "high")
        ),
        {
            "calculate": f"{whose}datum.{METHOD} + ', ' + format(datum.percent, '.3~r') + ' % of weights: ' + "
            f"{least} + {scale.written('datum.mean')} + {told} + ', n = ' + datum.n",
            "as": "said",
        },
    ]


def _aside() -> list[Spec]:
    """Move points of one round a little apart, so that their bars do not lie on each other."""
    return [
        {
            "joinaggregate": [
                {"op": "min", "field": "percent", "as": "sparsest"},
                {"op": "max", "field": "percent", "as": "densest"},
            ]
        },
        {
            "window": [{"op": "row_number", "as": "rank"}],
            "groupby": ["start", "round", EXPERIMENT],
            "sort": [{"field": METHOD}],
        },
        {"joinaggregate": [{"op": "count", "as": "beside"}], "groupby": ["start", "round", EXPERIMENT]},
        {
            "calculate": f"datum.percent * (datum.percent > 99.999 ? 1 : pow(datum.densest / datum.sparsest, "
            f"{ASIDE} * ((datum.beside + 1) / 2 - datum.rank)))",
            "as": "place",
        },
    ]


def _networks(networks: Sequence[NetworkValue], dense: str) -> Columns:
    """A row per network; the dense ones once more for every method, whose line begins there."""
    rows = [_network(each, each.method, start=False) for each in networks]
    methods: dict[str, list[str]] = {}
    for each in networks:
        known = methods.setdefault(each.experiment, [])
        if each.method != dense and each.method not in known:
            known.append(each.method)
    rows += [
        _network(each, method, start=True)
        for each in networks
        if each.method == dense
        for method in methods[each.experiment]
    ]
    return columns(rows)


def _network(each: NetworkValue, method: str, *, start: bool) -> dict[str, Any]:
    return {
        EXPERIMENT: each.experiment,
        METHOD: method,
        REPLICATE: each.replicate,
        "branch": each.branch,
        "round": each.round,
        DENSITY: each.density,
        "value": each.value,
        "bound": int(each.bound),
        "start": int(start),
    }


def _marks(data: DensityFigure, dense: str) -> Columns:
    """A row per point of every line."""
    names = labels_of(data.legend)
    rows: list[dict[str, Any]] = []
    for panel in data.panels:
        first = len(rows)
        experiment = panel.experiment or None
        if panel.dense is not None:
            rows.append(_mark(panel.dense, experiment, dense, start=dense not in names.values(), cut=data.cut))
        for line in panel.lines:
            method = names.get(line.line_style, "")
            if panel.dense is not None:
                rows.append(_mark(panel.dense, experiment, method, start=True, cut=data.cut))
            rows += [_mark(mark, experiment, method, start=False, cut=data.cut) for mark in line.marks]
        for row in rows[first:]:
            row[PANEL] = panel.name
    return columns(rows)


def _mark(mark: Mark, experiment: str | None, method: str, *, start: bool, cut: bool) -> dict[str, Any]:
    return {
        EXPERIMENT: experiment,
        METHOD: method,
        "round": mark.x,  # the points of one density are those of a round
        DENSITY: mark.x,
        "mean": mark.mean,
        "low": mark.low,
        "high": mark.high,
        # What has to be seen: the whole bar only where it may not be cut.
        "least": mark.mean if cut else mark.low,
        "greatest": mark.mean if cut else mark.high,
        "n": mark.n,
        "bound": int(mark.bound),
        "start": int(start),
    }
