"""Weights and masks on disk: safetensors, and tickets, whose masks are coded and whose pruned weights are left out."""

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor

from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.printing import one_line
from app.pruning.masks import as_bits
from app.runs.ticket_file import LaterFormat, Ticket, is_packed, pack, unpack


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically and with the same bytes for the same values."""
    # Cloned, because tied tensors share memory, which the format does not support.
    plain = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    write_atomically(path, safetensors.torch.save(plain))


def save_masks(path: Path, masks: Mapping[str, Tensor]) -> None:
    """Write masks, coded, atomically and with the same bytes for the same values."""
    write_atomically(path, pack(masks))


def save_masked(path: Path, state: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    """Write a state of which masks leave only a part, atomically and with the same bytes for the same values.

    Args:
        path: the file.
        state: parameters and buffers by name.
        masks: bool, by name; what they remove is not written, unless it is not zero: then the tensor is written whole.
    """
    sparse = {name: mask for name, mask in masks.items() if not _outside(state[name], mask)}
    write_atomically(path, pack(sparse, state))


def _outside(weight: Tensor, mask: Tensor) -> bool:
    """Whether a weight that is masked is anything but 0 in all its bits."""
    bits = as_bits(~mask, weight)
    return bool((weight.detach().contiguous().view(bits.dtype) & bits).any())


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read weights or masks; `app.runs.recorded_tensors.read_tensors` compares them with what was recorded too.

    Returns:
        Tensors by name: of a file of masks alone these, otherwise the state, with zeros where a weight is masked.

    Raises:
        UserError: the file is missing, damaged, cannot be read or is not safetensors.
    """
    found = load_ticket_file(path)
    return found.state or found.masks


def load_ticket_file(path: Path) -> Ticket:
    """Read masks and weights of a file; no masks where it is plain safetensors.

    Raises:
        UserError: as for `load_tensors`.
    """
    problem = "not a safetensors file"
    try:
        data = path.read_bytes()
        tensors = safetensors.torch.load(data)
        problem = "damaged"
        return unpack(data, tensors) if is_packed(data, tensors) else Ticket({}, tensors)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: not a readable file ({error.strerror})") from None
    except MemoryError:
        raise UserError(f"{path}: damaged, or larger than the memory of this machine") from None
    except LaterFormat as error:
        raise UserError(f"{path}: {error}") from None
    except Exception as error:  # such as a type of numbers that this torch does not have
        raise UserError(f"{path}: {problem} ({one_line(error)})") from None
