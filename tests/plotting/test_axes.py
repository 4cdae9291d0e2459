"""Horizontal axes: weights remaining and iterations."""

from helpers.made_up_run import density
from matplotlib.figure import Figure

from app.plotting.axes import density_axis, iteration_axis_from_zero


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


def test_iterations_begin_at_0():
    axes = Figure().subplots()
    iteration_axis_from_zero(axes, 5_000, points=250)
    assert labels(axes.xaxis)[:2] == ["0", "1,000"]
    assert axes.get_xlim()[0] == 0
