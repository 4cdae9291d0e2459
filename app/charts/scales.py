"""Axes: weights remaining, iterations, and the values of a metric as it asks for them."""

import json
from dataclasses import dataclass
from math import isfinite
from textwrap import wrap

from app.charts.chart import Spec
from app.common.metrics import Metric

SMALLEST_ERROR = 1e-5  # of the whole range: the greatest value has a place on the axis, too
WIDE = 900  # pixels of an axis that has room for a label at every tick
LABEL = 42  # letters of a line beside the vertical axis
PADDING = 10  # pixels between the frame and what is in it
PERCENT_REMAINING = "% of weights remaining"


# A label of the axis of densities: where there is little room, only those of 1, 2, 3, 5 and 7 times a power of ten.
_DIGIT = "datum.value / pow(10, floor(log(datum.value) / LN10 + 1e-9))"
_SHARE = f"width < {WIDE} && indexof([4, 6, 8, 9], round(1e6 * {_DIGIT}) / 1e6) >= 0 ? '' : format(datum.value, '~r')"


@dataclass(frozen=True, slots=True)
class ValueScale:
    """The vertical axis of a metric.

    Args:
        metric: what is on it.
        from_zero: whether it begins at 0.
    """

    metric: Metric
    from_zero: bool = False

    @property
    def kind(self) -> str:
        """How it is scaled; an error needs a greatest value to be the distance from."""
        axis = "linear" if self.from_zero else self.metric.axis
        return "linear" if axis == "error" and not isfinite(self.metric.greatest) else axis

    def place(self, value: str) -> str:
        """The expression of where a value stands: the value as it is written, or its distance from the greatest."""
        metric = self.metric
        if self.kind != "error":
            return f"{metric.scale:g} * ({value})"
        return f"{metric.scale:g} * max({metric.greatest:g} - ({value}), {SMALLEST_ERROR * self._size:g})"

    def at(self, value: float) -> float:
        """Where a value stands."""
        if self.kind != "error":
            return self.metric.scale * value
        return self.metric.scale * max(self.metric.greatest - value, SMALLEST_ERROR * self._size)

    def axis(self, title: str | None = None) -> Spec:
        """Ticks are written as values of the metric."""
        greatest = self.metric.scale * self.metric.greatest
        label = f"{greatest:g} - datum.value" if self.kind == "error" else "datum.value"
        text = f"format(round(1e6 * ({label})) / 1e6, ',')"
        return {
            "title": wrap(title or self.metric.heading, LABEL),
            "labelExpr": text,
            "tickCount": {"expr": "ceil(height / 45)"},
        }

    def clipped(self, value: str, low: str, high: str) -> str:
        """The expression of a place that is kept near others: a bar may be long, and must not flatten the lines.

        Args:
            value: the expression of the place.
            low: that of the least place which has to be seen.
            high: that of the greatest.
        """
        if self.kind == "linear":
            ends = f"{low} - 0.5 * ({high} - {low})", f"{high} + 0.5 * ({high} - {low})"
            if self.from_zero:
                ends = f"max(0, {ends[0]})", ends[1]
        else:
            ends = f"{low} / pow({high} / {low}, 0.5)", f"{high} * pow({high} / {low}, 0.5)"
        return f"clamp({value}, {ends[0]}, {ends[1]})"

    def scale(self, domain: tuple[float, float] | None = None) -> Spec:
        """The scale; `domain`, two values of the metric, is what is seen at first."""
        made: Spec = {"type": "log" if self.kind != "linear" else "linear", "nice": False, "padding": PADDING}
        if self.kind == "linear":
            made |= {"zero": self.from_zero}
        if self.kind == "error":
            made |= {"reverse": True}
        if domain is not None:
            made["domain"] = sorted(map(self.at, domain))
        return made

    def written(self, value: str) -> str:
        """The expression of a value as text with its unit."""
        metric = self.metric
        unit = f" + {json.dumps(' ' + metric.unit)}" if metric.unit else ""
        return f"format({metric.scale:g} * ({value}), ',.{metric.decimals}f'){unit}"

    @property
    def _size(self) -> float:
        return self.metric.greatest - self.metric.least if isfinite(self.metric.least) else 1.0


def spread(scale: ValueScale) -> str:
    """The expression of the range of several networks as text; of nothing where there is one."""
    ends = f"{scale.written('datum.low')} + ' to ' + {scale.written('datum.high')}"
    return f"(datum.n > 1 ? ', ' + {ends} + ', n = ' + datum.n : '')"


def density_channel(field: str = "percent") -> Spec:
    """Weights remaining in per cent, logarithmic, dense on the left: the true share, not the number of the round."""
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"type": "log", "reverse": True, "nice": False, "padding": PADDING},
        "axis": {"title": PERCENT_REMAINING, "labelExpr": _SHARE, "grid": False},
    }


def iteration_channel(field: str = "iteration") -> Spec:
    """Iterations of training."""
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"nice": False, "zero": True},
        "axis": {"title": "Iteration", "labelExpr": "format(datum.value, ',.0f')", "grid": False},
    }
