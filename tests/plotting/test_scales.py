"""Vertical axes by what a metric asks for."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from app.common.metrics import Metric, accuracy, loss, percentage, perplexity
from app.plotting.data import Mark
from app.plotting.scales import ErrorScale, common_ranges, error_axis, frame, placing, spread, value_axis

ACCURACY = accuracy("accuracy")
F1 = Metric(name="f1", better="higher", least=0.0, greatest=100.0, axis="error")


@given(st.lists(st.floats(0, 1)), st.floats(0.01, 0.5))
def test_spread_keeps_its_distance_and_leaves_no_room(candidates, gap):
    chosen = spread(candidates, float, gap=gap)
    assert all(abs(a - b) >= gap for a, b in combinations(chosen, 2))
    assert all(any(abs(candidate - other) < gap for other in chosen) for candidate in candidates if gap > 0)
    assert chosen[:1] == candidates[:1]


def labels(axis) -> list[str]:
    axis.figure.draw_without_rendering()
    return [tick.get_text() for tick in axis.get_ticklabels()]


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from([(ACCURACY, 1), (F1, 100)]))
def test_error_axis_shows_all_that_is_to_be_seen(one, other, metric_and_greatest):
    metric, greatest = metric_and_greatest
    axes = Figure().subplots()
    low, high = (greatest * share for share in sorted((one, other)))
    error_axis(axes, metric, (low, high), points=250)
    bottom, top = axes.get_ylim()
    assert bottom < low
    assert top > min(high, 0.9999 * greatest)
    heights = sorted(axes.transData.transform((0, tick))[1] for tick in axes.get_yticks())
    assert all(b - a > 10 for a, b in pairwise(heights)), "labels on each other"


@pytest.mark.parametrize(("metric", "seen"), [(ACCURACY, (0.87, 0.981)), (F1, (87, 98.1))])
def test_ticks_of_errors_are_round(metric, seen):
    axes = Figure().subplots()
    value_axis(axes, metric, seen, points=240)
    assert set(labels(axes.yaxis)) == {"98", "97", "96", "95", "93", "90"}


def test_panels_share_a_scale_unless_it_would_flatten_one():
    assert common_ranges([(0, 5), (0, 10)], float) == [(0, 10), (0, 10)]
    assert common_ranges([(0, 1), (0, 10)], float) == [(0, 1), (0, 10)]
    assert common_ranges([(0.97, 0.98), (0.96, 0.98)], ErrorScale().place) == [(0.96, 0.98)] * 2


@pytest.mark.parametrize(
    ("metric", "seen", "scale"),
    [
        (ACCURACY, (0.5, 0.9), "function"),
        (perplexity("p"), (50.0, 200.0), "log"),
        (perplexity("p"), (0.0, 200.0), "linear"),
        (loss("l"), (1.0, 2.0), "linear"),
        (percentage("uf1"), (40.0, 60.0), "linear"),
        (Metric(name="score", axis="error"), (0.0, 5.0), "linear"),
    ],
)
def test_the_axis_is_the_metrics_where_its_values_allow_that(metric, seen, scale):
    axes = Figure().subplots()
    value_axis(axes, metric, seen, points=250)
    assert axes.get_yscale() == scale
    bottom, top = axes.get_ylim()
    assert bottom < seen[0] < seen[1] < top
    place = placing(metric, [seen])
    assert place(seen[0]) < place(seen[1])


def test_values_are_scaled_on_a_linear_axis_too():
    axes = Figure().subplots()
    value_axis(axes, Metric(name="share", scale=100, unit="%"), (0.0, 1.0), points=250)
    assert "60" in labels(axes.yaxis)


def marks(*values: float) -> list[Mark]:
    return [Mark(x=index, mean=value, low=value, high=value) for index, value in enumerate(values)]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [(loss("l"), (2.0, 4.0)), (ACCURACY, (2.0, 9.0)), (percentage("uf1"), (2.0, 9.0)), (Metric(name="m"), (2.0, 4.0))],
)
def test_a_steep_beginning_runs_in_from_beyond_the_frame(metric, expected):
    assert frame([marks(9.0, 4.0, 3.0, 2.0)], metric) == expected
