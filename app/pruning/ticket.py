"""Weights and masks on disk, as safetensors, and a ticket back from there into any plain module."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from app.errors import UserError
from app.layout import NetworkKey, NetworkLayout, RunLayout, write_atomically
from app.pruning.masks import Masks, check_names, rewind


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically and with the same bytes for the same values."""
    # Cloned because tied tensors share memory, which the format does not have.
    plain = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    write_atomically(path, safetensors.torch.save(plain))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read what `save_tensors` wrote.

    Raises:
        UserError: the file is missing or is not safetensors.
    """
    try:
        return safetensors.torch.load(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; the same lottery command again trains what is missing") from None
    except safetensors.SafetensorError as error:
        raise UserError(f"{path}: not a safetensors file ({error}); delete it and its DONE and train again") from None


def load_ticket(directory: str | Path, module: nn.Module, weights: Literal["start", "final"] = "start") -> Masks:
    """Put a ticket from a run directory into a plain module, in place; needs neither Lightning nor our classes.

    Args:
        directory: of one trained network, such as `runs/lenet/replicate_0/iterative/round_07`.
        module: the network itself (a `LeNet`) or what wraps it, as long as names agree up to a leading prefix `net.`.
        weights: "start" for the ticket as it was drawn (mask times rewound weights), "final" for the trained network.

    Returns:
        The masks, bool, by the module's parameter names. Multiply them into weights after every step to train on.

    Raises:
        UserError: there is no finished network, the weights asked for were not kept, or they are another network's.
    """
    network = NetworkLayout(Path(directory).resolve())
    if weights not in ("start", "final"):
        raise UserError(f"weights is {weights!r}; choose 'start' or 'final'")
    if not network.done.exists():
        raise UserError(f"{directory}: no finished network there (no {network.done.name} file)")
    if weights == "final" and not network.final.exists():
        raise UserError(f"{network.final}: trained weights were not kept; run with pruning.keep [final] elsewhere")
    prefix = "" if any(name.startswith("net.") for name, _ in module.named_parameters()) else "net."
    masks = _without(prefix, load_tensors(network.mask))
    if hasattr(module, "prunable_parameters"):
        check_names(masks, module, str(network.mask))
    path = network.final if weights == "final" else _start_weights(network)
    rewind(module, _without(prefix, load_tensors(path)), masks)
    return masks


def _without(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def _start_weights(network: NetworkLayout) -> Path:
    """Where the weights lie that this network began from."""
    if network.start.exists():
        return network.start
    if network.root.name.startswith("random_reinit"):
        raise UserError(
            f"{network.root}: the fresh weights of this control were not kept; run with pruning.keep [start]"
        )
    for parent in network.root.parents:
        if match := re.fullmatch(r"replicate_(\d+)", parent.name):
            run, replicate = RunLayout(parent.parent), int(match[1])
            dense = network.root == run.network(NetworkKey(replicate, "dense", 0)).root
            return run.initial(replicate) if dense else run.start_point(replicate)
    raise UserError(f"{network.root}: not inside a replicate of a run directory, so its starting weights are unknown")


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values: two states are the same exactly if their digests are."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
