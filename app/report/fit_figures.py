"""What the figures of trainings are drawn from, and what they show in words."""

import math
from collections.abc import Collection, Mapping, Sequence

from app.common.metrics import Metric
from app.plotting.data import Entry, IterationsFigure, Line, NetworkCurve
from app.plotting.line_styles import experiment_style
from app.plotting.numbers import iteration, plural
from app.report.document import Picture, file_stem
from app.report.fit_run import FitRun
from app.report.fit_series import FitPoint, fit_line
from app.report.metrics import unique, validation_metrics
from app.report.uf1_layers import UF1_CAPTION, UF1_FIGURE, UF1_HEADING, layers
from app.runs.table import ITERATION

NAME = 60  # letters of an experiment's name in the legend


def fit_figures(fits: Sequence[FitRun]) -> dict[str, list[Metric]]:
    """The figures by the stem of their files, and the metrics that each has panels of."""
    mains = [fit.main for fit in fits]
    others = [metric for fit in fits for metric in validation_metrics(fit.metrics, fit.best_by)]
    by_layer = layers(unique(metric for fit in fits for metric in fit.metrics.values()))
    found = {metric.name: [metric] for metric in unique([*mains, *others])}
    return found | ({UF1_FIGURE: by_layer} if by_layer else {})


def fit_picture(fits: Sequence[FitRun], stem: str, metrics: Sequence[Metric]) -> Picture:
    """Values against iterations: one panel per metric, a line for every experiment that has measured it.

    Args:
        fits: at least one; its place decides on its line style, so that it has one in all figures.
        stem: of the files.
        metrics: of one scale, at least one.
    """
    panels = {metric.title: _points(fits, metric) for metric in metrics}
    drawn = {rank for points in panels.values() for rank in points}
    single = metrics[0].title if len(metrics) == 1 else "UF1 of each layer"
    figure = IterationsFigure(
        panels={
            name: [
                Line(line_style=experiment_style(rank), marks=[point.value.mark(point.iteration) for point in line])
                for rank, line in points.items()
            ]
            for name, points in panels.items()
        },
        metric=metrics[0],
        heading=metrics[0].heading if len(metrics) == 1 else UF1_HEADING,
        legend=experiments_entries(fits, sorted(drawn)),
        networks={metric.title: _networks(fits, metric) for metric in metrics},
    )
    said = [
        f"{_whose(fits[rank].name, metric if len(metrics) > 1 else None)}: {_ends(line, metric)}."
        for metric in metrics
        for rank, line in panels[metric.title].items()
    ]
    return Picture(
        stem=file_stem(stem),
        caption=f"{single} over the iterations of training." if len(metrics) == 1 else UF1_CAPTION,
        alt=f"{single} over iterations; start, best and end of each line. {' '.join(said)}",
        source=figure,
    )


def experiments_entries(fits: Sequence[FitRun], ranks: Collection[int]) -> list[Entry]:
    """The experiments of some places in the legend, each with its number of seeds."""
    return [Entry(label=_label(fits[rank]), line_style=experiment_style(rank), name=fits[rank].name) for rank in ranks]


def _label(fit: FitRun) -> str:
    name = fit.name if len(fit.name) <= NAME else f"{fit.name[: NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
    return f"{name} ({plural(len(fit.trainings), fit.noun)})"


def _points(fits: Sequence[FitRun], metric: Metric) -> Mapping[int, list[FitPoint]]:
    """The lines of the experiments that have measured a metric, by their places."""
    lines = {rank: fit_line(fit, metric.name) for rank, fit in enumerate(fits)}
    return {rank: points for rank, points in lines.items() if points}


def _networks(fits: Sequence[FitRun], metric: Metric) -> list[NetworkCurve]:
    """The line of every training that has measured a metric; points are compared by the number of the validation."""
    found = []
    for fit in fits:
        for training in fit.trainings:
            points = [
                (number, row[ITERATION], row[metric.name])
                for number, row in enumerate(training.rows, training.first)
                if math.isfinite(row.get(metric.name, math.nan))
            ]
            if points:
                numbers, iterations, values = zip(*points, strict=True)
                found.append(
                    NetworkCurve(
                        experiment=fit.name,
                        method="",
                        replicate=training.seed,
                        branch=0,
                        round=0,
                        density=None,
                        numbers=numbers,
                        iterations=iterations,
                        values=values,
                    )
                )
    return found


def _whose(name: str, metric: Metric | None) -> str:
    return name if metric is None else f"{metric.title}, {name}"


def _ends(line: Sequence[FitPoint], metric: Metric) -> str:
    """Where a line begins, has its best value, and ends."""
    best = (max if metric.better == "higher" else min)(line, key=lambda point: point.value.mean)
    points = sorted({line[0], best, line[-1]}, key=lambda point: point.number)
    return ", ".join(f"{metric.write(point.value.mean)} at {iteration(point.iteration)}" for point in points)
