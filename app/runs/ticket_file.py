"""One file for masks and the weights that survive under them: the format of tickets, in run directories and exported.

It is a safetensors file, so that reading it runs no code. Its tensors are

    ticket:masks         uint8, the codes of all masks (`app.pruning.mask_coding`), one after another
    ticket:values.TYPE   the surviving weights of all masked tensors that are stored in that type, in row-major order
    ticket:scales        float32, one per row of the masked tensors, where values are int8
    NAME                 whatever has no mask, as it is

A file of masks alone has only the first. Its metadata has one entry, `ticket`, in JSON: "format"; "sha256", the SHA-256
of the file with these 64 digits replaced by zeros; "values", the type of all values, or null where each tensor's are in
its own; "masks", by name and in the order of the codes [shape, type of the weight, coded places, Rice's parameter,
whether the pruned weights are coded, bytes]; "tied", by name the other name of a tensor that is stored once; "notes".
"""

import hashlib
import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from app.common.errors import UserError
from app.pruning import Masks
from app.pruning.mask_coding import CodedMask, decode_mask, encode_mask
from app.pruning.stored_values import StoredValues, restore, store

FORMAT = 1
OURS = "ticket:"
CODES, VALUES, SCALES = f"{OURS}masks", f"{OURS}values.", f"{OURS}scales"
ENTRY = "ticket"  # of the metadata
NO_DIGEST = "0" * 64


class LaterFormat(ValueError):  # noqa: N818 - it is no error of the file
    """A file of a format that only a later version reads."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What such a file holds.

    Args:
        masks: bool, by name.
        state: parameters and buffers by name, zero where a mask is False; empty in a file of masks alone.
        notes: what was written about it, as JSON has it.
    """

    masks: Masks
    state: dict[str, Tensor]
    notes: dict[str, Any] = field(default_factory=dict)


def pack(
    masks: Mapping[str, Tensor],
    state: Mapping[str, Tensor] | None = None,
    *,
    dtype: torch.dtype | None = None,
    notes: Mapping[str, Any] | None = None,
) -> bytes:
    """The bytes of a file; the same for the same values.

    Args:
        masks: bool, by name.
        state: parameters and buffers by name, with every name of a mask; what masks remove is not stored. None for a
            file of masks alone.
        dtype: in which surviving weights are stored; each in its own where it is left out.
        notes: what JSON can hold.

    Raises:
        UserError: a weight does not fit the type, or a tensor has a name that the file needs itself.
    """
    masks = {name: masks[name].detach().cpu() for name in sorted(masks)}
    codes = {name: encode_mask(mask) for name, mask in masks.items()}
    entries = {
        name: [code.shape, "bool", code.count, code.rice, int(code.pruned), len(code.bits)]
        for name, code in codes.items()
    }
    stored = {CODES: _joined(torch.from_numpy(code.bits) for code in codes.values())}
    rest: dict[str, Tensor] = {}
    tied: dict[str, str] = {}
    if state is not None:
        values: dict[str, list[StoredValues]] = defaultdict(list)
        for name, mask in masks.items():
            weight = state[name].detach().cpu()
            entries[name][1] = type_name(weight.dtype)
            kept = store(weight, mask, dtype or weight.dtype, name)
            values[VALUES + type_name(kept.values.dtype)].append(kept)
        stored |= {name: _joined(kept.values for kept in of_type) for name, of_type in values.items()}
        if scales := [kept.scales for of_type in values.values() for kept in of_type if kept.scales is not None]:
            stored[SCALES] = _joined(scales)
        rest, tied = _untied(state, masks)
    if taken := [name for name in rest if name.startswith(OURS)]:
        raise UserError(f"{taken[0]}: the file of a ticket cannot hold a tensor of this name; rename the layer")
    header = {
        "format": FORMAT,
        "sha256": NO_DIGEST,
        "values": None if dtype is None else type_name(dtype),
        "masks": entries,
        "tied": tied,
        "notes": dict(notes or {}),
    }
    data: bytes = safetensors.torch.save(stored | rest, {ENTRY: json.dumps(header, separators=(",", ":"))})
    return data.replace(NO_DIGEST.encode(), hashlib.sha256(data).hexdigest().encode(), 1)


def is_packed(data: bytes, names: Iterable[str]) -> bool:
    """Whether a safetensors file is one of these, or was before it was damaged.

    Args:
        data: the whole file.
        names: of the tensors that safetensors finds in it.
    """
    return ENTRY in _metadata(data) or any(name.startswith(OURS) for name in names)


def unpack(data: bytes, stored: Mapping[str, Tensor]) -> Ticket:
    """Read what `pack` has written.

    Args:
        data: the whole file.
        stored: the tensors that safetensors finds in it.

    Raises:
        ValueError: it is damaged.
        LaterFormat: a later version has written it.
        MemoryError: it would not fit into the memory of this machine.
    """
    header = _header(data)
    entries: dict[str, Any] = header["masks"]
    _check_memory(math.prod(shape) for shape, *_ in entries.values())
    at: dict[str, int] = defaultdict(int)  # how much of each of our tensors is read

    def following(name: str, count: int) -> Tensor:
        at[name] += count
        return stored[name][at[name] - count : at[name]]

    masks, state = {}, {name: value for name, value in stored.items() if not name.startswith(OURS)}
    for name, (shape, dtype, count, rice, pruned, size) in entries.items():
        bits = following(CODES, size).numpy()
        code = CodedMask(shape=tuple(shape), count=count, rice=rice, pruned=bool(pruned), bits=bits)
        masks[name] = decode_mask(code)
        if dtype != "bool":
            kind = header["values"] or dtype
            scales = following(SCALES, shape[0] if shape else 1) if kind == "int8" else None
            kept = StoredValues(following(VALUES + kind, code.survivors), scales)
            state[name] = restore(kept, masks[name], getattr(torch, dtype))
    if any(len(stored[name]) != at[name] for name in stored if name.startswith(OURS)):
        raise ValueError("it holds more than its masks account for")
    for name, other in header["tied"].items():
        state[name] = state[other].clone()
    return Ticket(masks, state, header["notes"])


def type_name(dtype: torch.dtype) -> str:
    """The name of a type as it stands in a file, such as float32."""
    return str(dtype).removeprefix("torch.")


def _joined(tensors: Iterable[Tensor]) -> Tensor:
    """One after another."""
    parts = list(tensors)
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.uint8)


def _untied(state: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What has no mask, as it is; and the names of matrices that are others under a second name."""
    rest: dict[str, Tensor] = {}
    tied: dict[str, str] = {}
    matrices = {name: state[name].detach().cpu() for name in masks}
    for name in sorted(state.keys() - masks.keys()):
        value = state[name].detach().cpu().contiguous()
        twin = next((each for each, other in matrices.items() if _same(value, other)), None)
        if value.ndim > 1 and twin is not None:
            tied[name] = twin
        else:
            rest[name] = value.clone()  # views of one tensor share memory, which safetensors does not support
            matrices[name] = value
    return rest, tied


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same bits."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    one, other = (each.contiguous().flatten().view(torch.uint8) for each in (one, other))
    return one.equal(other)


def _header(data: bytes) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(_metadata(data).get(ENTRY, "{}"))
    digest = header.get("sha256", "").encode()
    if hashlib.sha256(data.replace(digest, NO_DIGEST.encode(), 1)).hexdigest().encode() != digest:
        raise ValueError("its SHA-256 is not the one that it states")
    if header["format"] != FORMAT:
        raise LaterFormat(f"a ticket of format {header['format']}; this version reads format {FORMAT}, a later one all")
    return header


def _metadata(data: bytes) -> dict[str, str]:
    """The metadata of a safetensors file that safetensors has read."""
    length = int.from_bytes(data[:8], "little")
    found = json.loads(data[8 : 8 + length]).get("__metadata__")
    return dict(found) if found else {}


def _check_memory(sizes: Iterable[int]) -> None:
    """A few bytes can stand for a mask of any size without survivors."""
    if hasattr(os, "sysconf") and 5 * sum(sizes) > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise MemoryError
