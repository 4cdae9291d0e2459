"""Means over networks and their bars, computed in the page: after its filters, with Vega-Lite's transforms."""

import json
from collections.abc import Sequence

from app.charts.chart import DENSITY, REPLICATE, Spec

# The parameter of a specification that says what bars are: one of these, or "none".
BARS, INTERVAL, SPREAD = "bars", "interval", "spread"
MOST = 60  # degrees of freedom in the table; the quantile of Student's t for more is nearly that of 60


def over_replicates(groups: Sequence[str]) -> list[Spec]:
    """Transforms from a row per network to one per point.

    The mean is over networks. The interval is that of the mean over replicates, by Student's t, as in the tables: the
    networks that a control has in one replicate are averaged first.

    Args:
        groups: the columns that points have in common.

    Returns:
        Transforms that leave `groups`, `mean`, `low`, `high`, `n` (networks), `density` and `bound`.
    """
    kept = [{"op": "mean", "field": DENSITY, "as": DENSITY}, {"op": "max", "field": "bound", "as": "bound"}]
    return [
        {
            "aggregate": [
                {"op": "mean", "field": "value", "as": "of_replicate"},
                {"op": "sum", "field": "value", "as": "total"},
                {"op": "count", "as": "networks"},
                {"op": "min", "field": "value", "as": "least"},
                {"op": "max", "field": "value", "as": "greatest"},
                *kept,
            ],
            "groupby": [*groups, REPLICATE],
        },
        {
            "aggregate": [
                {"op": "mean", "field": "of_replicate", "as": "centre"},
                {"op": "stdev", "field": "of_replicate", "as": "deviation"},
                {"op": "count", "as": "replicates"},
                {"op": "sum", "field": "total", "as": "total"},
                {"op": "sum", "field": "networks", "as": "n"},
                {"op": "min", "field": "least", "as": "least"},
                {"op": "max", "field": "greatest", "as": "greatest"},
                *kept,
            ],
            "groupby": list(groups),
        },
        {"calculate": "datum.total / datum.n", "as": "mean"},
        {
            "calculate": f"datum.replicates > 1 ? {json.dumps(_quantiles())}[min(datum.replicates - 2, {MOST - 1})] * "
            "datum.deviation / sqrt(datum.replicates) : null",
            "as": "half",
        },
        *(
            {
                "calculate": f"{BARS} === '{INTERVAL}' ? (datum.half === null ? null : datum.centre {sign} datum.half) "
                f": datum.n > 1 ? datum.{extreme} : null",
                "as": name,
            }
            for name, sign, extreme in (("low", "-", "least"), ("high", "+", "greatest"))
        ),
    ]


def _quantiles() -> list[float]:
    """The 97.5 % quantile of Student's t with 1, 2, ... degrees of freedom."""
    # Imported late, as it takes a while.
    from scipy.special import stdtrit

    return [round(float(stdtrit(degrees, 0.975)), 4) for degrees in range(1, MOST + 1)]
