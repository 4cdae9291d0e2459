"""The comparison of results finds a difference in any output or gradient."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from app.bench import equality
from app.bench.rows import Difference
from app.bench.sizes import QUICK, LayerSize
from app.bench.tasks import Setting
from app.nets import recurrent

SETTING = Setting(sizes=replace(QUICK, equal_layers=(LayerSize(6, 3, 5, 20),)))
read = recurrent.read


def measured() -> dict[str, Difference]:
    (task,) = equality.tasks(SETTING)
    rows = task.run()
    assert all(isinstance(row, Difference) for row in rows)
    return {row.what.split()[0]: row for row in rows}  # type: ignore[attr-defined]


def test_the_fused_layer_is_the_eager_one() -> None:
    found = measured()
    assert list(found) == ["float64", "float32", "bf16-mixed"]
    for row in found.values():
        assert row.met, row
    assert 0 < found["float64"].gradients < found["float32"].gradients < found["bf16-mixed"].gradients


class Turned(torch.autograd.Function):
    """Same values, another gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * (1 + 1e-8)


@pytest.mark.parametrize(
    ("change", "outputs", "gradients"),
    [
        (lambda x: torch.where(torch.arange(x.numel()).view_as(x) == 7, x + 1e-8, x), True, False),
        (Turned.apply, False, True),
    ],
    ids=["of one output", "of the gradients"],
)
def test_a_planted_difference_is_found(
    change: Callable[[Tensor], Tensor], outputs: bool, gradients: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planted(*arguments: Any) -> Any:
        found, *rest = read(*arguments)
        return change(found), *rest

    monkeypatch.setattr(recurrent, "read", planted)
    row = measured()["float64"]
    assert (row.outputs > 1e-9) == outputs
    assert (row.gradients > 1e-9) == gradients
    assert not row.met


def test_nan_is_a_difference() -> None:
    right = ([torch.zeros(2)], [torch.ones(2)])
    outputs, gradients = equality.differences(([torch.tensor([0.0, torch.nan])], [torch.full((2,), torch.nan)]), right)
    assert outputs != outputs
    assert gradients != gradients
