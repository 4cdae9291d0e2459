"""A ticket from a run directory into any plain module."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from app.common.errors import UserError
from app.pruning.masks import Masks, check_names, rewind
from app.runs.layout import NetworkKey, NetworkLayout, RunLayout
from app.runs.tensors import load_tensors


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
