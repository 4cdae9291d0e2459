"""Sparse layers in the benchmark: the densities of a network's layers, the break-even density, and the figure."""

import math

import pytest
from torch import nn

from app.bench.rows import Note
from app.bench.sparse import RATES, Speeds, break_even, drawn, masks_of, told
from app.nets import Conv2, LeNet
from app.plotting.speeds import speeds_figure


@pytest.mark.parametrize("density", [0.5, 0.05])
@pytest.mark.parametrize("make", [LeNet, Conv2, lambda: nn.Linear(40, 30)])
def test_masks_have_the_density_of_a_ticket(make: type[nn.Module], density: float) -> None:
    net = make()
    masks = masks_of(net, density)
    kept, size = sum(int(mask.sum()) for mask in masks.values()), sum(mask.numel() for mask in masks.values())
    assert kept / size == pytest.approx(density, rel=1e-3)
    assert all(net.get_parameter(name)[~mask].eq(0).all() for name, mask in masks.items())
    if isinstance(net, Conv2):
        convolution, linear = (float(masks[name].float().mean()) for name in ("convs.1.weight", "fc1.weight"))
        rounds = [
            math.log(share) / math.log(1 - RATES[kind]) for share, kind in ((convolution, "conv"), (linear, "fc"))
        ]
        assert rounds[0] == pytest.approx(rounds[1], rel=1e-3)


def test_break_even() -> None:
    assert break_even({0.4: 0.5, 0.1: 2.0}) == pytest.approx(0.2)
    assert told({0.4: 0.5, 0.1: 2.0}) == "sparse is faster below 20 %"
    assert told({0.4: 1.5, 0.1: 2.0}) == "sparse is faster at all of these densities, from 40 % on"
    assert told({0.4: 0.5, 0.1: 0.8}) == "dense is faster at the lowest of these densities"


def test_the_figure_has_every_speed_and_break_even_density() -> None:
    rows = [
        Speeds("a $1$ layer", {0.4: 0.5, 0.1: 2.0}),
        Note("of another kind"),
        Speeds("another", {0.4: 1.5, 0.1: 3.0}),
    ]
    assert rows[0].plain() == {  # type: ignore[union-attr]
        "what": "a $1$ layer",
        "times_as_fast": {"0.4": 0.5, "0.1": 2.0},
        "break_even": pytest.approx(0.2),
    }
    figure = speeds_figure({"one": {0.4: 0.5, 0.1: 2.0}, "two": {0.4: 1.5, 0.1: 3.0}}, {"one": 0.2, "two": None})
    points = [line.get_xydata().tolist() for line in figure.axes[0].lines[1:]]  # type: ignore[union-attr]
    assert points == [[[0.4, 0.5], [0.1, 2.0]], [[0.2, 1.0]], [[0.4, 1.5], [0.1, 3.0]]]
    picture = drawn(rows, "svg").decode()
    assert all(text in picture for text in ("a $1$ layer", "another", "Times as fast as dense"))
