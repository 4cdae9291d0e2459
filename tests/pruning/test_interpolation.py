"""The line between two networks, against cases computed by hand."""

import pytest
import torch
from torch import Tensor

from app.pruning.interpolation import alphas, error_barrier, interpolate


def test_the_line_has_evenly_spaced_points_and_both_ends() -> None:
    assert alphas(5) == [0.0, 0.25, 0.5, 0.75, 1.0]
    thirty = alphas(30)
    assert (thirty[0], thirty[-1], len(thirty)) == (0.0, 1.0, 30)


def test_weights_and_running_statistics_are_between_and_counts_those_of_the_nearer_end() -> None:
    first = {"weight": torch.tensor([[1.0, -2.0]]), "running_var": torch.tensor([4.0]), "batches": torch.tensor(3)}
    second = {"weight": torch.tensor([[5.0, 2.0]]), "running_var": torch.tensor([8.0]), "batches": torch.tensor(9)}
    found = interpolate(first, second, 0.25)
    assert found["weight"].tolist() == [[2.0, -1.0]]
    assert found["running_var"].tolist() == [5.0]
    assert [int(interpolate(first, second, at)["batches"]) for at in (0.25, 0.75)] == [3, 9]


def test_the_ends_are_the_networks_to_the_bit_even_where_weights_are_not_finite() -> None:
    first, second = {"weight": torch.tensor([0.1, torch.inf])}, {"weight": torch.tensor([0.3, -1.0])}
    assert interpolate(first, second, 0.0)["weight"].equal(first["weight"])
    assert interpolate(first, second, 1.0)["weight"].equal(second["weight"])


@pytest.mark.parametrize(
    ("error", "barrier"),
    [
        (lambda w: float(1 - w @ w / 2), 1.0),  # a ridge between (1, 1) and (-1, -1): 0 at both, 1 in the middle
        (lambda w: float(w @ w / 2), 0.0),  # a valley: nothing is higher than the ends
        (lambda w: float(w[0] + 1), 1.0),  # a slope from 2 to 0: the higher end above their mean
    ],
)
def test_the_barrier_of_a_quadratic_and_of_a_slope(error, barrier: float) -> None:
    ends: list[dict[str, Tensor]] = [{"w": torch.tensor([1.0, 1.0])}, {"w": torch.tensor([-1.0, -1.0])}]
    errors = [error(interpolate(*ends, alpha)["w"]) for alpha in alphas(31)]
    assert error_barrier(errors) == pytest.approx(barrier, abs=1e-6)
