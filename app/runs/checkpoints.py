"""Lightning's checkpoints, read without running what is in them."""

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule

from app.common.errors import UserError
from app.common.states import check_shapes


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, on the CPU.

    Args:
        path: a file saved by Lightning.

    Raises:
        UserError: it is missing, is no checkpoint of Lightning's, or holds more than tensors and plain values.
    """
    try:
        checkpoint = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; a checkpoint of ours is runs/EXPERIMENT/seed_S/best.ckpt") from None
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{path}: not a readable file ({error.strerror})") from None
    except pickle.UnpicklingError as error:
        if re.search("Unsupported (global|class)|Trying to", str(error)):
            raise UserError(
                f"{path}: holds code besides weights and is not opened; import-authors takes the ON-LSTM authors' own"
            ) from None
        raise UserError(f"{path}: not a checkpoint ({_first_line(error)})") from None
    except KeyError:
        raise UserError(f"{path}: not a checkpoint (no file of PyTorch's)") from None
    except (RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError, OSError) as error:
        raise UserError(f"{path}: not a checkpoint ({_first_line(error)})") from None
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise UserError(f"{path}: not a checkpoint of Lightning's (no state_dict)")
    return checkpoint


def load_weights(module: LightningModule, path: Path) -> None:
    """Put a checkpoint's weights, and what else the module keeps there, into a module that no Trainer has seen.

    Raises:
        UserError: as `read_checkpoint` does; the checkpoint is of another module.
    """
    checkpoint = read_checkpoint(path)
    _check(module, checkpoint, path)
    module.on_load_checkpoint(checkpoint)
    module.load_state_dict(checkpoint["state_dict"])


def check_weights(module: LightningModule, path: Path) -> None:
    """Make sure that a checkpoint's weights are those of a module, before Lightning loads them.

    Raises:
        UserError: as `read_checkpoint` does; the checkpoint is of another module.
    """
    _check(module, read_checkpoint(path), path)


def _check(module: LightningModule, checkpoint: dict[str, Any], path: Path) -> None:
    if module.strict_loading:
        try:
            check_shapes(module.state_dict(), checkpoint["state_dict"])
        except UserError as error:
            raise UserError(f"{path}: {error}") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
