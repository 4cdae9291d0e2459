"""Reads and writes Lightning's checkpoints without executing code that they may contain."""

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from app.common.errors import UserError, first_line
from app.common.kernel_sets import KERNELS
from app.common.protocols import TRAIN_SUMS
from app.common.states import check_shapes, load_plain_state, plain_name, same_names
from app.runs.checksums import check_file
from app.runs.recorded_tensors import read_tensors

# The key under which Lightning's `load_from_checkpoint` finds a model's arguments.
HYPER_PARAMETERS = "hyper_parameters"
OURS = "trees_and_tickets"
# Where callbacks that average weights keep the training weights of the dense network and the state of its averages.
AVERAGED = ("current_model_state", "averaging_state", "live_weights")
_ARCHIVE = b"PK"  # a zip file, as torch writes them


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU.

    Args:
        path: a file saved by Lightning.

    Raises:
        UserError: the file is missing, is no checkpoint of Lightning, holds more than tensors and plain values, or is
            not the one whose checksum its run directory has.
    """
    check_file(path)
    checkpoint = read_archive(path)
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise UserError(f"{path}: not a checkpoint of Lightning's (no state_dict)")
    return checkpoint


def read_archive(path: Path) -> Any:
    """Read what `torch.save` has written to the CPU, tensors and plain values only.

    Raises:
        UserError: the file is missing, damaged, or holds something else.
    """
    try:
        check_archive(path)
        return torch.load(path, weights_only=True, map_location="cpu")
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; fit saves checkpoints as runs/EXPERIMENT/seed_S/best.ckpt") from None
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{path}: not a readable file ({error.strerror})") from None
    except MemoryError:
        raise UserError(f"{path}: damaged, or larger than the memory of this machine") from None
    except pickle.UnpicklingError as error:
        if re.search("Unsupported (global|class)|Trying to", str(error)):
            raise UserError(
                f"{path}: holds code besides weights and is not opened; import-authors reads the ON-LSTM authors' files"
            ) from None
        # torch's own words recommend to load it as code.
        raise UserError(f"{path}: not a checkpoint (damaged, or not a file of PyTorch)") from None
    except KeyError:
        raise UserError(f"{path}: not a checkpoint (not a file of PyTorch)") from None
    except Exception as error:  # a damaged file can make torch raise anything
        raise UserError(f"{path}: not a checkpoint ({first_line(error)})") from None


def check_archive(path: Path) -> None:
    """Compare the contents of a checkpoint with the checksums in it; torch does not do so when it reads them.

    Raises:
        UserError: they differ.
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        if file.read(len(_ARCHIVE)) != _ARCHIVE:
            return  # of another format, without checksums
    try:
        with zipfile.ZipFile(path) as archive:
            if any(each.compress_type != zipfile.ZIP_STORED for each in archive.infolist()):
                raise UserError(f"{path}: not a checkpoint (compressed; torch writes none that are)")
            damaged = archive.testzip()
    except (OSError, UserError):
        raise
    except Exception as error:
        raise UserError(f"{path}: not a checkpoint ({first_line(error)}); is the file complete?") from None
    if damaged is not None:
        raise UserError(f"{path}: damaged (its checksum of {damaged} differs)")


def describe(checkpoint: dict[str, Any], config: Mapping[str, Any]) -> None:
    """Add the model and the data of a configuration to a checkpoint.

    Args:
        checkpoint: the checkpoint that is about to be saved.
        config: the whole configuration; if it has no class path of a model, nothing is added.
    """
    model = config.get("model")
    if not isinstance(model, Mapping) or "class_path" not in model:
        return
    checkpoint[OURS] = {"model": model, "data": config.get("data")}
    checkpoint[HYPER_PARAMETERS] = {
        "_instantiator": "lightning.pytorch.cli.instantiate_module",
        "_class_path": model["class_path"],
        **(model.get("init_args") or {}),
    }


def description(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """What `describe` has added: "model" and "data", each with class_path and init_args; otherwise empty."""
    found = checkpoint.get(OURS)
    return dict(found) if isinstance(found, Mapping) else {}


def load_weights(module: nn.Module, path: Path) -> None:
    """Load trained weights into a module without a Trainer.

    Args:
        module: a LightningModule also loads what else it saves in checkpoints.
        path: a checkpoint, or the final.safetensors of a network of a lottery.

    Raises:
        UserError: as `read_checkpoint`, or the weights belong to another module.
    """
    if path.suffix == ".safetensors":
        load_plain_state(module, read_tensors(path), f"{path}: the weights")
        return
    checkpoint = read_checkpoint(path)
    _check(module, checkpoint, path)
    if hasattr(module, "on_load_checkpoint"):
        module.on_load_checkpoint(checkpoint)  # type: ignore[operator]
    module.load_state_dict(same_names(module, checkpoint["state_dict"]))


def check_weights(module: nn.Module, path: Path) -> None:
    """Check that a checkpoint's weights fit a module, before Lightning loads them.

    Raises:
        UserError: as `read_checkpoint`, or the checkpoint belongs to another module.
    """
    _check(module, read_checkpoint(path), path)


def check_start(module: nn.Module, path: Path) -> None:
    """Check that a training can go on from a checkpoint, before Lightning loads it.

    Raises:
        UserError: as `check_weights`, or the checkpoint holds weights only.
    """
    checkpoint = read_checkpoint(path)
    _check(module, checkpoint, path)
    if missing := [name for name in ("optimizer_states", "lr_schedulers", "loops") if name not in checkpoint]:
        raise UserError(
            f"{path}: holds the weights of a network and nothing of its training (no {missing[0]}), which fit goes on "
            "with; test, validate, predict, parse and syntax take it"
        )


def _check(module: nn.Module, checkpoint: dict[str, Any], path: Path) -> None:
    if getattr(module, "strict_loading", True):
        try:
            check_shapes(module.state_dict(), checkpoint["state_dict"])
        except UserError as error:
            raise UserError(f"{path}: {error}") from None


def training_weights(checkpoint: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The weights that a training had when a checkpoint was made, by plain name, where the checkpoint has averages too.

    Args:
        checkpoint: of a training.
    """
    state = {plain_name(name): value for name, value in checkpoint["state_dict"].items()}
    lived = {**checkpoint.get("current_model_state", {}), **checkpoint.get("live_weights", {})}
    live = {plain_name(name): value for name, value in lived.items()}
    # A tied weight has several names, which share a tensor, and may have one among the training weights.
    tied = {state[name].data_ptr(): value for name, value in live.items() if name in state}
    return {name: live.get(name, tied.get(value.data_ptr(), value)) for name, value in state.items()}


def ticket_checkpoint(
    moment: Mapping[str, Any],
    weights: Mapping[str, torch.Tensor],
    callbacks: Mapping[str, Any],
    *,
    fresh: tuple[str, ...],
) -> dict[str, Any]:
    """The checkpoint from which a ticket starts if its training begins later than at iteration 0.

    Schedulers, loops, the loader's position and random numbers are those of the dense training at that moment; the
    optimiser is reset, as in the code of Frankle et al. (2020). The record of kernels, which is of one
    training, is dropped.

    Args:
        moment: the checkpoint of the dense training at that moment.
        weights: the ticket's state, by plain name.
        callbacks: states of callbacks that replace those in `moment`, by state key.
        fresh: prefixes of the state keys of callbacks whose states in `moment` are dropped.
    """
    optimizers = [{**state, "state": {}} for state in moment.get("optimizer_states", [])]
    kept = {key: state for key, state in moment.get("callbacks", {}).items() if not key.startswith(fresh)}
    state = {plain_name(name): weights[plain_name(name)] for name in moment["state_dict"]}
    sums = {key: _zeros(moment[key]) for key in TRAIN_SUMS if key in moment}
    moment = {key: value for key, value in moment.items() if key not in (*AVERAGED, KERNELS)}
    return {**moment, **sums, "state_dict": state, "optimizer_states": optimizers, "callbacks": kept | dict(callbacks)}


def _zeros(sums: Any) -> Any:
    if isinstance(sums, Mapping):
        return {name: torch.zeros_like(value) for name, value in sums.items()}
    return torch.zeros_like(sums)
