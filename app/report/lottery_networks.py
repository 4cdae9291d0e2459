"""The single networks behind a lottery's figures, for charts that choose among them."""

import math

from app.common.metrics import Metric
from app.plotting.data import NetworkCurve, NetworkValue
from app.report.lottery_run import LotteryRun
from app.report.lottery_series import round_densities
from app.report.methods import Methods
from app.report.metrics import EARLY_STOP_ITERATION
from app.runs.table import ITERATION


def network_values(lottery: LotteryRun, metric: Metric, methods: Methods) -> list[NetworkValue]:
    """A column of results.csv by network; networks without a finite value in it are left out.

    Args:
        lottery: the experiment.
        metric: of the column's name.
        methods: all of them.
    """
    places = round_densities(lottery.results)
    bounded = metric.name == EARLY_STOP_ITERATION.name
    return [
        NetworkValue(
            experiment=lottery.name,
            method=methods.title(row.method),
            replicate=row.replicate,
            branch=row.branch,
            round=row.round,
            density=row.density if row.density < 1 else places.get(row.round, row.density),
            value=row.value(metric.name),
            bound=bounded and lottery.best.is_lower_bound(row),
        )
        for row in lottery.results
        if math.isfinite(row.value(metric.name))
    ]


def network_curves(lottery: LotteryRun, metric: Metric, methods: Methods) -> list[NetworkCurve]:
    """The learning curve of every network that has finite values of a metric, unfinished ones included.

    An unfinished network is drawn at the density of finished ones of its round; at 1 where there is none.

    Args:
        lottery: the experiment.
        metric: of metrics.csv.
        methods: all of them.

    Raises:
        UserError: a metrics.csv is missing or broken.
    """
    places = round_densities(lottery.results)
    networks = [(row.key, row.density, False) for row in lottery.results]
    networks += [(key, places.get(key.round, 1.0), True) for key in lottery.running]
    found = []
    for key, density, running in networks:
        points = [
            (int(each[ITERATION]), each[metric.name])
            for each in lottery.curve_rows(key, metric)
            if math.isfinite(each.get(metric.name, math.nan))
        ]
        if points:
            iterations = [iteration for iteration, _ in points]
            found.append(
                NetworkCurve(
                    experiment=lottery.name,
                    method=methods.title(key.method),
                    replicate=key.replicate,
                    branch=key.branch,
                    round=key.round,
                    density=density,
                    numbers=iterations,
                    iterations=iterations,
                    values=[value for _, value in points],
                    running=running,
                )
            )
    return found
