"""Masks as bits: any mask comes back, the code is the one that a plain loop writes, and it is near the least."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from app.pruning.mask_coding import CodedMask, decode_mask, encode_mask, least_bits

shapes = st.lists(st.integers(0, 9), max_size=4).map(tuple)


@st.composite
def any_masks(draw: Any) -> Tensor:
    """Of any shape and density, 0 and 1 among them, with rows that differ in density or not."""
    shape = draw(shapes)
    values = torch.rand(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 99))))
    density = draw(st.sampled_from([0.0, 0.01, 0.1, 0.382, 0.5, 0.8, 0.99, 1.0]))
    if shape and draw(st.booleans()):
        rows = torch.linspace(0, 2, shape[0]).view(-1, *[1] * (len(shape) - 1))
        return values < density * rows
    return values < density


def bits_by_a_loop(mask: Tensor, rice: int, pruned: bool) -> list[int]:
    """The code as its description says, place by place."""
    low, high, gap = [], [], 0
    for kept in mask.flatten().tolist():
        if kept == pruned:
            gap += 1
            continue
        low += [gap >> place & 1 for place in reversed(range(rice))]
        high += [0] * (gap >> rice) + [1]
        gap = 0
    return low + high


@settings(max_examples=200)
@given(any_masks())
def test_any_mask_comes_back(mask: Tensor) -> None:
    coded = encode_mask(mask)
    found = decode_mask(coded)
    assert found.dtype == torch.bool
    assert found.shape == mask.shape
    assert found.equal(mask)
    assert coded.survivors == int(mask.sum())


@settings(max_examples=100)
@given(any_masks())
def test_the_code_is_that_of_its_description(mask: Tensor) -> None:
    coded = encode_mask(mask)
    expected = bits_by_a_loop(mask, coded.rice, coded.pruned)
    assert len(coded.bits) == math.ceil(len(expected) / 8)
    assert np.unpackbits(coded.bits)[: len(expected)].tolist() == expected
    assert not np.unpackbits(coded.bits)[len(expected) :].any()
    others = [len(bits_by_a_loop(mask, rice, coded.pruned)) for rice in range(8)]
    assert len(expected) == min(others)  # no other parameter is shorter


def test_a_transposed_mask_is_read_in_its_own_order() -> None:
    mask = torch.rand(30, 7) < 0.3
    assert decode_mask(encode_mask(mask.t())).equal(mask.t())


@pytest.mark.parametrize("round_", range(0, 24))
def test_the_code_of_a_random_mask_is_near_the_least(round_: int) -> None:
    """LeNet's largest layers, pruned by a fifth each round."""
    draw = torch.Generator().manual_seed(round_)
    for shape in ((300, 784), (100, 300)):
        size, count = math.prod(shape), round(math.prod(shape) * 0.8**round_)
        mask = torch.zeros(size, dtype=torch.bool)
        mask[torch.randperm(size, generator=draw)[:count]] = True
        coded = 8 * len(encode_mask(mask.view(shape)).bits)
        assert coded <= 1.045 * least_bits(size, count) + 8
        assert coded >= 0.98 * least_bits(size, count)


@pytest.mark.parametrize("density", [0.05, 0.3, 0.6, 0.95])
def test_structure_does_not_make_the_code_long(density: float) -> None:
    """All survivors in some rows, in some columns, or each in its turn."""
    for mask in (
        (torch.arange(200) < 200 * density)[:, None].expand(200, 300),
        (torch.arange(300) % 100 < 100 * density)[None].expand(200, 300),
        ((torch.arange(60_000) * density).frac() < density).view(200, 300),
    ):
        count = int(mask.sum())
        assert 8 * len(encode_mask(mask).bits) <= 1.2 * least_bits(mask.numel(), count)


@given(st.integers(0, 60), st.data())
def test_the_least_is_the_logarithm_of_the_number_of_masks(size: int, data: Any) -> None:
    count = data.draw(st.integers(0, size))
    assert least_bits(size, count) == pytest.approx(math.log2(math.comb(size, count)), abs=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        {"count": 3},
        {"count": -1},
        {"rice": 0},
        {"rice": 9},
        {"rice": -1},
        {"rice": 1 << 60},
        {"shape": (2, 4)},
        {"shape": (-6, -6)},
        {"bits": np.zeros(0, np.uint8)},
        {"bits": np.zeros(2, np.uint8)},
        {"bits": np.full(2, 255, np.uint8)},
        {"bits": np.array([0, 0, 3, 0], np.uint8)},
    ],
    ids=str,
)
def test_what_is_no_code_is_refused(change: dict[str, Any]) -> None:
    mask = torch.zeros(6, 6, dtype=torch.bool)
    mask[1, 1] = mask[4, 2] = True
    coded = encode_mask(mask)
    with pytest.raises(ValueError, match=r"mask|bits"):
        decode_mask(replace(coded, **change))


def test_a_gap_beyond_all_numbers_is_refused() -> None:
    bits = np.packbits([1] * 60 + [0, 0, 0, 1])
    with pytest.raises(ValueError, match="low bits"):
        decode_mask(CodedMask(shape=(100,), count=1, rice=60, pruned=False, bits=bits))
