"""What a lottery's figures are drawn from, and what they show in words."""

from collections.abc import Mapping, Sequence

from app.common.metrics import Metric
from app.plotting.data import CurvesFigure, CurvesGroup, CurvesPanel, DensityFigure, DensityPanel, Entry, Line, Mark
from app.plotting.numbers import plural
from app.report.document import Picture, file_stem
from app.report.lottery_networks import network_curves, network_values
from app.report.lottery_run import LotteryRun
from app.report.lottery_series import Point, Series, chosen_rounds, curve, series
from app.report.methods import Methods
from app.report.metrics import EARLY_STOP_ITERATION, column
from app.report.wording import at_density
from app.runs.layout import DENSE
from app.runs.table import FINAL

PERCENT = "%"
Curves = Mapping[str, Mapping[int, Sequence[Mark]]]


def density_picture(lotteries: Sequence[LotteryRun], metric: Metric, methods: Methods) -> Picture:
    """One column of results.csv against weights remaining: one panel per experiment that has it.

    Args:
        lotteries: at least one that has the column.
        metric: of the column's name.
        methods: all of them.
    """
    shown = [lottery for lottery in lotteries if lottery.measured(metric.name)]
    lines = {lottery.name: series(lottery.results, metric.name, methods, lottery.best) for lottery in shown}
    names = {lottery.name: f"{lottery.name} ({plural(lottery.replicates, 'replicate')})" for lottery in shown}
    several = len(lotteries) > 1
    panels = [
        _density_panel(names[name] if several else "", each, methods, name if several else "")
        for name, each in lines.items()
    ]
    figure = DensityFigure(
        panels=panels,
        metric=metric,
        legend=_legend(list(lines.values()), methods),
        from_zero=metric.name == EARLY_STOP_ITERATION.name,
        networks=[each for lottery in shown for each in network_values(lottery, metric, methods)],
    )
    said = []
    for name, by_method in lines.items():
        for method, line in by_method.items():
            places = ", ".join(_at(metric, point) for point in _ends(line, metric))
            said.append(f"{_whose(lotteries, name)}{methods.title(method)} {places}.")
    best = "start, best and end" if metric.better != "neither" else "start and end"
    bounds = any(point.bounds for by_method in lines.values() for line in by_method.values() for point in line)
    hollow = " Hollow points are lower bounds." if bounds else ""
    return Picture(
        stem=file_stem(metric.name),
        caption=f"{metric.title} against the share of weights remaining.{hollow}",
        alt=f"{metric.title} against % of weights remaining; {best} of each line. {' '.join(said)}",
        source=figure,
    )


def curves_picture(lotteries: Sequence[LotteryRun], metric: Metric, methods: Methods) -> Picture:
    """A metric over iterations, at a handful of densities: one group of panels per experiment that has it.

    A control stands before the tickets of the same densities, which are drawn thin in the same colours.

    Args:
        lotteries: at least one that has the metric.
        metric: of metrics.csv.
        methods: all of them.

    Raises:
        UserError: a metrics.csv that is needed is missing or broken.
    """
    shown = [lottery for lottery in lotteries if metric.name in {each.name for each in lottery.headline}]
    groups, said = [], []
    for lottery in shown:
        final = column(metric, FINAL)
        lines = series(lottery.results, final.name, methods)
        rounds = chosen_rounds(lines[methods.tickets(lines) or next(iter(lines))])
        title = lottery.name if len(lotteries) > 1 else ""
        groups.append(_group(lottery, metric, methods, rounds, title))
        for method, line in lines.items():
            places = ", ".join(_at(final, point) for point in line if point.round in rounds)
            said.append(f"{_whose(lotteries, lottery.name)}{methods.title(method)} {places}.")
    return Picture(
        stem=file_stem(f"{metric.name}_curves"),
        caption=f"{metric.title} over the iterations of training, at some of the densities.",
        alt=f"{metric.title} over iterations, one panel per method; where the curves end. {' '.join(said)}",
        source=CurvesFigure(
            groups=groups,
            metric=metric,
            networks=[each for lottery in shown for each in network_curves(lottery, metric, methods)],
        ),
    )


def _density_panel(name: str, lines: Series, methods: Methods, experiment: str) -> DensityPanel:
    dense = lines[DENSE][0].mark if DENSE in lines else None
    return DensityPanel(
        name=name,
        dense=dense,
        lines=[
            Line(line_style=methods.line_style(method), marks=[point.mark for point in line if point.round > 0])
            for method, line in lines.items()
            if method != DENSE
        ],
        experiment=experiment,
    )


def _legend(everything: Sequence[Series], methods: Methods) -> list[Entry]:
    """One entry per method, with the number of networks behind each point where the panel is the only one."""
    entries = []
    for method in methods.in_order(method for lines in everything for method in lines):
        counts = {
            point.value.n
            for lines in everything
            for point in lines.get(method, ())
            if (point.round == 0) == (method == DENSE)
        }
        label = methods.title(method)
        if len(everything) == 1:
            label += f" (n = {min(counts)})" if len(counts) == 1 else f" (n = {min(counts)} to {max(counts)})"
        entries.append(Entry(label=label, line_style=methods.line_style(method), name=methods.title(method)))
    return entries


def _group(lottery: LotteryRun, metric: Metric, methods: Methods, rounds: Sequence[int], title: str) -> CurvesGroup:
    found: dict[str, dict[int, list[Mark]]] = {method: {} for method in methods.in_order(lottery.methods)}
    densities: dict[int, float] = {}
    for round_ in rounds:
        for method in found:
            rows = [row for row in lottery.results if (row.method, row.round) == (method, round_)]
            if rows:
                tables = [table for row in rows if (table := lottery.curve_rows(row.key, metric))]
                if not tables:
                    continue
                found[method][round_] = curve(tables, metric.name)
                densities.setdefault(round_, rows[0].density)
    for method in found:
        found[method] = {**found.get(DENSE, {}), **found[method]}
    found = {method: curves for method, curves in found.items() if curves}
    panels = [method for method in found if method != DENSE] or list(found)
    return CurvesGroup(
        title=title,
        panels=[_curves_panel(found, method, methods) for method in panels],
        densities=densities,
        experiment=lottery.name,
    )


def _curves_panel(found: Curves, method: str, methods: Methods) -> CurvesPanel:
    """A method's curves; those of a control before the tickets that it is compared with."""
    tickets = methods.controlled(method, found) if methods.is_control(method) else None
    thin = f" (thin: {methods.title(tickets)})" if tickets else ""
    return CurvesPanel(
        name=f"{methods.title(method)}{thin}",
        line_style=methods.line_style(method),
        curves=found[method],
        behind=found[tickets] if tickets else {},
        method=methods.title(method),
        compared=methods.title(tickets) if tickets else "",
    )


def _ends(line: Sequence[Point], metric: Metric) -> list[Point]:
    """Where a line begins, has its best value, and ends, each point once."""
    best = []
    if metric.better != "neither":
        best = [(max if metric.better == "higher" else min)(line, key=lambda point: point.value.mean)]
    return list(dict.fromkeys([line[0], *best, line[-1]]))


def _at(metric: Metric, point: Point) -> str:
    least = "at least " if point.bounds else ""
    return f"{least}{metric.write(point.value.mean)} at {at_density(point.density, point.round, PERCENT)}"


def _whose(lotteries: Sequence[LotteryRun], name: str) -> str:
    return f"{name}, " if len(lotteries) > 1 else ""
