"""The precision of float32 products and convolutions: chosen by name, and told by what is measured."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from app.common import float32_precision
from app.common.float32_precision import choose, measured, warn_without_effect
from app.common.processor import flags

CPU = torch.device("cpu")
NAMES = "float32 products", "float32 convolutions"
has_bfloat16 = pytest.mark.skipif(
    "amx_bf16" not in flags(), reason="oneDNN rounds float32 to bfloat16 with AMX; with AVX512_BF16 alone it does not"
)


@pytest.fixture(autouse=True)
def before() -> Iterator[None]:
    yield
    choose("highest", "default")


@pytest.mark.parametrize("conv", ["default", "highest"])
def test_float32_is_float32(conv: Any) -> None:
    choose("highest", conv)
    assert measured(CPU) == dict.fromkeys(NAMES, "float32")
    assert measured(torch.device("meta")) == {}


@has_bfloat16
def test_either_can_be_bfloat16() -> None:
    choose("medium", "default")
    assert measured(CPU) == dict(zip(NAMES, ("bfloat16", "float32"), strict=True))
    choose("highest", "medium")
    assert measured(CPU) == dict(zip(NAMES, ("float32", "bfloat16"), strict=True))


def rounded(x: Tensor, bits: int) -> Tensor:
    """To so many bits of a float32's 24, by arithmetic on its integer."""
    step = 1 << (24 - bits)
    return ((x.view(torch.int32) + step // 2) & -step).view(torch.float32)


@pytest.mark.parametrize(("bits", "name"), [(24, "float32"), (11, "TF32"), (8, "bfloat16")])
@pytest.mark.parametrize("kind", ["LINEAR", "CONV2D"])
def test_the_error_says_which_it_is(kind: str, bits: int, name: str) -> None:
    """On every processor: operands are rounded by hand."""
    product = F.linear if kind == "LINEAR" else F.conv2d

    def function(first: Tensor, second: Tensor) -> Tensor:
        if first.dtype == torch.float64 or bits == 24:
            return product(first, second)
        return product(rounded(first, bits), rounded(second, bits))

    assert float32_precision._measured(function, getattr(float32_precision, kind), CPU, f"{bits}") == name


def test_a_choice_without_effect_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = dict.fromkeys(NAMES, "float32")
    monkeypatch.setattr(float32_precision, "measured", lambda device: found)
    told = "has no effect on this processor with this torch: float32 {} stay in float32, as with highest"
    with pytest.warns(UserWarning, match=f"^--matmul_precision high {told.format('products')}$"):
        warn_without_effect("high", "highest", CPU)
    with pytest.warns(UserWarning, match=f"^--conv_precision medium {told.format('convolutions')}$"):
        warn_without_effect("highest", "medium", CPU)
    found["float32 products"] = "TF32"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_without_effect("highest", "default", CPU, ["linear layers"])
        warn_without_effect("medium", "highest", CPU)
    told = "--matmul_precision medium has no effect on steps and linear layers: compiled code computes in float32"
    with pytest.warns(UserWarning, match=f"^{told}$"):
        warn_without_effect("medium", "highest", CPU, ["steps", "linear layers"])
