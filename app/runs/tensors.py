"""Weights and masks on disk, as safetensors."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.printing import one_line


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically and with the same bytes for the same values."""
    # Cloned, because tied tensors share memory, which the format does not support.
    plain = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    write_atomically(path, safetensors.torch.save(plain))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read what `save_tensors` wrote; `app.runs.recorded_tensors.read_tensors` compares it with what was recorded too.

    Raises:
        UserError: the file is missing, cannot be read or is not safetensors.
    """
    try:
        return safetensors.torch.load(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: not a readable file ({error.strerror})") from None
    except MemoryError:
        raise UserError(f"{path}: damaged, or larger than the memory of this machine") from None
    except Exception as error:  # such as a type of numbers that this torch does not have
        raise UserError(f"{path}: not a safetensors file ({one_line(error)})") from None


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values: two states are equal exactly if their digests are."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
