"""Pooling without gradients: the values of torch's, and torch's own wherever more than values are asked for."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx

from app.nets import pooling
from app.nets.pooling import max_pool_of_two

SHAPES = [(2, 3, 8, 6), (1, 1, 2, 2), (2, 3, 7, 6), (2, 3, 8, 5), (0, 3, 4, 4), (3, 4, 4)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", ["plain", "channels last", "a part"])
def test_values_are_torchs(shape: tuple[int, ...], layout: str) -> None:
    images = torch.randn(shape).relu()  # with many equal ones
    if layout == "channels last" and images.ndim == 4:
        images = images.contiguous(memory_format=torch.channels_last)
    if layout == "a part":
        images = torch.randn(*shape[:-1], shape[-1] + 3)[..., 2:-1]
    if images.numel():
        images.flatten()[::7] = torch.nan
    with torch.inference_mode():
        found, expected = max_pool_of_two(images), F.max_pool2d(images, 2)
    assert torch.allclose(found, expected, rtol=0, atol=0, equal_nan=True)
    assert found.stride() == expected.stride()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What torch's own has pooled."""
    calls: list[Tensor] = []
    own = F.max_pool2d
    monkeypatch.setattr(pooling.F, "max_pool2d", lambda images, size: calls.append(images) or own(images, size))
    return calls


def test_gradients_are_torchs(counted: list[Tensor]) -> None:
    images = torch.ones(1, 1, 4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(max_pool_of_two(images).sum(), images)
    assert len(counted) == 1
    assert gradient.tolist() == [[[[1, 0, 1, 0], [0] * 4, [1, 0, 1, 0], [0] * 4]]]  # of equal ones, the first
    torch.func.grad(lambda image: max_pool_of_two(image).sum())(torch.ones(1, 1, 4, 4))
    assert len(counted) == 2
    with torch.no_grad():
        max_pool_of_two(images)
    assert len(counted) == 2


def test_who_reads_the_network_sees_a_pooling() -> None:
    class Net(torch.nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return max_pool_of_two(images)

    with torch.no_grad():
        graph = fx.symbolic_trace(Net()).graph
        exported = torch.export.export(Net(), (torch.randn(1, 2, 4, 4),)).graph
    assert any(node.target is F.max_pool2d for node in graph.nodes)
    assert any("max_pool2d" in str(node.target) for node in exported.nodes)
