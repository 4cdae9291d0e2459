from itertools import combinations, pairwise

from helpers.made_up_run import density
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from app.plotting.axes import accuracy_axis, common_ranges, density_axis, spread, stretch


@given(st.lists(st.floats(0, 1)), st.floats(0.01, 0.5))
def test_spread_keeps_its_distance_and_leaves_no_room(candidates, gap):
    chosen = spread(candidates, float, gap=gap)
    assert all(abs(a - b) >= gap for a, b in combinations(chosen, 2))
    assert all(any(abs(candidate - other) < gap for other in chosen) for candidate in candidates if gap > 0)
    assert chosen[:1] == candidates[:1]


def labels(axis) -> list[str]:
    axis.figure.draw_without_rendering()
    return [tick.get_text() for tick in axis.get_ticklabels()]


def test_density_ticks_are_densities_in_plain_numbers():
    axes = Figure().subplots()
    density_axis(axes, [density(r) for r in range(21)], points=250)
    assert labels(axes.xaxis) == ["100", "51.3", "26.3", "13.5", "7.0", "3.6", "1.9"]
    left, right = axes.get_xlim()
    assert left > 1 > density(20) > right, "dense stands on the left"


def test_density_axis_of_a_dense_network_alone():
    axes = Figure().subplots()
    density_axis(axes, [1.0], points=250)
    assert labels(axes.xaxis) == ["100"]


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_accuracy_axis_shows_all_that_is_to_be_seen(one, other):
    axes = Figure().subplots()
    low, high = sorted((one, other))
    accuracy_axis(axes, (low, high), points=250)
    bottom, top = axes.get_ylim()
    assert bottom < low
    assert top > min(high, 0.9999)
    heights = sorted(axes.transData.transform((0, tick))[1] for tick in axes.get_yticks())
    assert all(b - a > 10 for a, b in pairwise(heights)), "labels on each other"


def test_accuracy_ticks_are_round():
    axes = Figure().subplots()
    accuracy_axis(axes, (0.87, 0.981), points=240)
    assert set(labels(axes.yaxis)) == {"98", "97", "96", "95", "93", "90"}


def test_panels_share_a_scale_unless_it_would_flatten_one():
    assert common_ranges([(0, 5), (0, 10)], float) == [(0, 10), (0, 10)]
    assert common_ranges([(0, 1), (0, 10)], float) == [(0, 1), (0, 10)]
    assert common_ranges([(0.97, 0.98), (0.96, 0.98)], stretch) == [(0.96, 0.98)] * 2
