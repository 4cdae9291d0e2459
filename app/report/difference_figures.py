"""Figures of paired differences from the dense network, with their intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.common.metrics import Metric
from app.plotting.data import DensityFigure, DensityPanel, Entry, Line, Mark
from app.plotting.numbers import plural
from app.report.comparisons import Comparison, compare
from app.report.differences import as_difference
from app.report.document import Picture, file_stem
from app.report.lottery_run import LotteryRun
from app.report.lottery_series import round_densities
from app.report.methods import Methods
from app.report.wording import at_density
from app.runs.layout import DENSE

PERCENT = "%"
Compared = dict[str, list[Comparison]]  # by method


def difference_pictures(lotteries: Sequence[LotteryRun], columns: Sequence[Metric], methods: Methods) -> list[Picture]:
    """One figure per column of results.csv against weights remaining, one panel per experiment with intervals.

    Args:
        lotteries: those of one replicate, which have no interval, have no panel.
        columns: each as a metric of the column's name.
        methods: all of them.
    """
    found = []
    for metric in columns:
        compared = {lottery.name: _compared(lottery, metric, methods) for lottery in lotteries}
        shown = [lottery for lottery in lotteries if _has_intervals(compared[lottery.name])]
        if shown:
            found.append(_picture(shown, metric, compared, methods, several=len(lotteries) > 1))
    return found


def _compared(lottery: LotteryRun, metric: Metric, methods: Methods) -> Compared:
    names = [name for name in methods.in_order(lottery.methods) if name != DENSE]
    found = {name: compare(lottery.results, metric, name, DENSE, lottery.best) for name in names}
    return {name: compared for name, compared in found.items() if compared}


def _has_intervals(compared: Compared) -> bool:
    return any(each.shown.has_interval for some in compared.values() for each in some)


def _picture(
    shown: Sequence[LotteryRun],
    metric: Metric,
    compared: dict[str, Compared],
    methods: Methods,
    *,
    several: bool,
) -> Picture:
    places = {lottery.name: round_densities(lottery.results) for lottery in shown}
    panels = [
        DensityPanel(
            name=f"{lottery.name} ({plural(lottery.replicates, 'replicate')})" if several else "",
            dense=Mark(x=1.0, mean=0.0, low=0.0, high=0.0),
            lines=[
                Line(line_style=methods.line_style(name), marks=[_mark(each, places[lottery.name]) for each in some])
                for name, some in compared[lottery.name].items()
            ],
            experiment=lottery.name if several else "",
        )
        for lottery in shown
    ]
    present = methods.in_order(name for lottery in shown for name in compared[lottery.name])
    said = [
        f"{f'{lottery.name}, ' if several else ''}{methods.title(name)} {_told(some)}."
        for lottery in shown
        for name, some in compared[lottery.name].items()
    ]
    return Picture(
        stem=file_stem(f"{metric.name}_difference"),
        caption=f"{metric.title}, paired difference from the dense network: bars are 95 % intervals over replicates; "
        "those that leave the frame are cut.",
        alt=f"Difference in {metric.title} from dense against % of weights remaining, sparsest and with the interval "
        f"farthest from 0. {' '.join(said)}",
        source=DensityFigure(
            panels=panels,
            metric=as_difference(metric),
            legend=[Entry(label=methods.title(name), line_style=methods.line_style(name)) for name in present],
            cut=True,
        ),
    )


def _mark(each: Comparison, places: Mapping[int, float]) -> Mark:
    """The difference with the ends of its interval; in per cent where it is a ratio."""
    shown = each.shown
    ends = (shown.low, shown.high) if shown.has_interval else (shown.mean, shown.mean)
    values = [100 * math.expm1(value) if shown is each.ratio else value for value in (shown.mean, *ends)]
    x = each.density if each.density < 1 else places.get(each.round, 1.0)
    mark = Mark(x=x, mean=values[0], low=values[1], high=values[2])
    return replace(mark, n=shown.n) if shown.has_interval else mark


def _told(compared: Sequence[Comparison]) -> str:
    """The difference that is farthest from 0 in units of its interval, and the last."""
    measured = [each for each in compared if each.shown.has_interval and each.shown.half > 0]
    clearest = [max(measured, key=lambda each: abs(each.shown.mean) / each.shown.half)] if measured else []
    places = sorted({each.round: each for each in (*clearest, compared[-1])}.values(), key=lambda each: each.round)
    return "; ".join(f"{each.written} at {at_density(each.density, each.round, PERCENT)}" for each in places)
