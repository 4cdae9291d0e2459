"""Masks as few bits: the gaps between survivors, Rice-coded, near the least that a mask of its size and count can take.

The rarer of the two, survivors or pruned weights, is coded: the gap before each, in row-major order, is the number of
places between it and the one before. With Rice's parameter r (Rice & Plaut 1971; Golomb's code with 2^r) a gap g is its
r low bits, and g >> r in unary: so many zeros and a one. All low bits come first, so that whole arrays are coded and
decoded at once, without a loop over bits. For gaps of independent weights, which are geometric, this is 1.00 to 1.04
times the entropy, and since its length depends on little more than the mean gap, no other mask of the same count takes
much more.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

BYTE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedMask:
    """A mask as bits.

    Args:
        shape: of the mask.
        count: how many places are coded.
        rice: r, the number of low bits of a gap.
        pruned: whether the coded places are the pruned weights; otherwise they are the survivors.
        bits: (bytes,) uint8, the first bit the highest: `count` times `rice` low bits, highest first, then `count`
            unary numbers, then zeros up to a whole byte.
    """

    shape: tuple[int, ...]
    count: int
    rice: int
    pruned: bool
    bits: npt.NDArray[np.uint8]

    @property
    def survivors(self) -> int:
        """How many weights are left."""
        return math.prod(self.shape) - self.count if self.pruned else self.count


def encode_mask(mask: Tensor) -> CodedMask:
    """Code a mask.

    Args:
        mask: bool, any shape.
    """
    flat = mask.detach().cpu().contiguous().flatten().numpy()
    pruned = 2 * int(np.count_nonzero(flat)) > flat.size
    places = np.flatnonzero(~flat if pruned else flat)
    gaps = np.diff(places, prepend=-1) - 1
    rice = _best_rice(gaps)
    low = (gaps[:, None] >> np.arange(rice - 1, -1, -1)) & 1
    high = gaps >> rice
    unary = np.zeros(int(high.sum()) + len(gaps), dtype=np.uint8)
    unary[np.cumsum(high + 1) - 1] = 1
    bits = np.packbits(np.concatenate([low.astype(np.uint8).ravel(), unary]))
    return CodedMask(shape=tuple(mask.shape), count=len(gaps), rice=rice, pruned=pruned, bits=bits)


def decode_mask(coded: CodedMask) -> Tensor:
    """The mask, bool, that was coded.

    Raises:
        ValueError: no mask has this code.
    """
    size, count, rice = math.prod(coded.shape), coded.count, coded.rice
    if min((*coded.shape, count, rice)) < 0 or rice >= max(1, size).bit_length() or 2 * count > size:
        raise ValueError(f"a mask of {coded.shape} has no {count} coded places with {rice} low bits")
    bits = np.unpackbits(coded.bits)
    ends = np.flatnonzero(bits[count * rice :])
    used = count * rice + (int(ends[-1]) + 1 if len(ends) else 0)
    if len(bits) < count * rice or len(ends) != count or len(bits) != -(-used // BYTE) * BYTE:
        raise ValueError(f"{len(bits)} bits are not those of {count} coded places")
    low = bits[: count * rice].reshape(count, rice) @ (1 << np.arange(rice - 1, -1, -1, dtype=np.int64))
    high = np.diff(ends, prepend=-1) - 1
    places = np.cumsum((high << rice) + low + 1) - 1
    if count and (int(high.max()) > size >> rice or int(places[-1]) >= size):
        raise ValueError(f"a coded place lies outside the mask of {coded.shape}")
    flat = np.full(size, coded.pruned)
    flat[places] = not coded.pruned
    return torch.from_numpy(flat).view(coded.shape)


def least_bits(size: int, survivors: int) -> float:
    """log2 of the number of masks with so many survivors: what a mask takes at least, if all are equally likely."""
    ways = math.lgamma(size + 1) - math.lgamma(survivors + 1) - math.lgamma(size - survivors + 1)
    return max(0.0, ways / math.log(2))


def _best_rice(gaps: npt.NDArray[np.int64]) -> int:
    """The number of low bits with the shortest code, which is at most the number of bits of the mean gap."""
    if not len(gaps):
        return 0
    most = int(gaps.sum() // len(gaps)).bit_length()
    choices = range(max(0, most - 2), most + 1)
    return min(choices, key=lambda rice: len(gaps) * rice + int((gaps >> rice).sum()))
