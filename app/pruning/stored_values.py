"""Surviving weights in fewer bits: as they are, in half the bits, or as one byte and a scale per row."""

from dataclasses import dataclass

import torch
from torch import Tensor

from app.common.errors import UserError

# The types in which surviving weights can be stored.
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "int8": torch.int8}
LARGEST = 127  # of an int8, whose range is then the same on both sides of 0


@dataclass(frozen=True, slots=True)
class StoredValues:
    """Surviving weights as they are stored.

    Args:
        values: (count,), in row-major order.
        scales: float32 (rows,), by which the values of each row are multiplied; None where they are weights already.
    """

    values: Tensor
    scales: Tensor | None = None


def store(weight: Tensor, mask: Tensor, dtype: torch.dtype, name: str) -> StoredValues:
    """Take the surviving weights of a tensor.

    Args:
        weight: floats, any shape.
        mask: bool, of its shape; rows are the first dimension of both.
        dtype: in which they are stored; for int8 each row has a scale, so that its largest weight is 127 or -127.
        name: of the tensor, for a message.

    Raises:
        UserError: a survivor is too large for the type, or not finite and to be stored as int8.
    """
    kept = weight[mask]
    scales = None
    if dtype == torch.int8:
        rows = _rows(mask)
        largest = torch.zeros(_number_of_rows(mask)).scatter_reduce_(0, rows, kept.abs().float(), "amax")
        scales = largest / LARGEST
        steps = kept.float() / scales.clamp_min(torch.finfo(torch.float32).tiny)[rows]
        found, fits = steps.round().clamp(-LARGEST, LARGEST).to(dtype), bool(scales.isfinite().all())
    else:
        found = kept.to(dtype)
        fits = bool((found.isfinite() | ~kept.isfinite()).all())
    if not fits:
        why = "too large" if bool(kept.isfinite().all()) else "not finite"
        kind = str(dtype).removeprefix("torch.")
        raise UserError(f"{name} has weights that are {why} for {kind}; store them as float32")
    return StoredValues(found, scales)


def restore(stored: StoredValues, mask: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor whose survivors were stored, with zeros elsewhere.

    Args:
        stored: the survivors.
        mask: bool, of the tensor's shape.
        dtype: of the tensor.
    """
    weight = torch.zeros(mask.shape, dtype=dtype)
    values = stored.values
    if stored.scales is not None:
        values = values.float() * stored.scales[_rows(mask)]
    weight[mask] = values.to(dtype)
    return weight


def _rows(mask: Tensor) -> Tensor:
    """int64, the row of each survivor."""
    return mask.reshape(_number_of_rows(mask), -1 if mask.numel() else 0).nonzero()[:, 0]


def _number_of_rows(mask: Tensor) -> int:
    return mask.shape[0] if mask.ndim else 1
