"""Loads a ticket from a run directory, or from a file that `export` has written, into any plain module."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from app.common.errors import UserError
from app.common.states import digest, plain_name
from app.pruning import Masks, check_names, rewind
from app.pruning.compact import resize
from app.runs.artifact import download, is_artifact
from app.runs.checksums import recorded
from app.runs.layout import NetworkKey, TrainingLayout, run_of
from app.runs.network_report import read_report
from app.runs.recorded_tensors import read_tensors
from app.runs.tensors import load_ticket_file
from app.runs.ticket_file import Ticket

COMPACT = "compact"  # among the notes of a ticket of which units were removed


def load_ticket(path: str | Path, module: nn.Module, weights: Literal["start", "final"] | None = None) -> Masks:
    """Load a ticket into a plain module, in place, without Lightning or our classes.

    Args:
        path: the directory of one trained network, such as `runs/lenet/replicate_0/iterative/round_07`; a file that
            `python -m app export` has written; or `wandb:ENTITY/PROJECT/NAME:ALIAS`, an artifact that W&B keeps.
        module: the network itself (a `LeNet`), the module that was trained (a `Classifier`), or another module around
            the network; names must agree up to the name that the network has within either, such as `net.`.
        weights: "start" for the untrained ticket (mask times rewound weights), "final" for the trained network. By
            default those that a file has, and "start" of a directory.

    The layers of the module are made as small as those of a ticket that was exported with `--compact`.

    Returns:
        The masks, bool, by the module's parameter names. To train the ticket, multiply the weights by them after every
        step.

    Raises:
        UserError: the network is not finished, the requested weights were not kept, they belong to another network, or
            the file is damaged or holds others.
    """
    if weights not in ("start", "final", None):
        raise UserError(f"weights is {weights!r}; choose 'start' or 'final'")
    if is_artifact(path):
        path = download(path)
    found = _of_file(Path(path), weights) if Path(path).is_file() else ticket_of(path, weights or "start")
    theirs, ours = _prefixes(set(found.state), set(found.masks), {plain_name(name) for name in module.state_dict()})
    masks, state = _renamed(found.masks, theirs, ours), _renamed(found.state, theirs, ours)
    if COMPACT in found.notes:
        resize(module, state)
    if hasattr(module, "prunable_parameters"):
        check_names(masks, module, str(path))
    rewind(module, state, masks)
    return masks


def ticket_of(directory: str | Path, weights: Literal["start", "final"]) -> Ticket:
    """Read a ticket of a run directory.

    Args:
        directory: of one trained network.
        weights: which; those of "start" may be unmasked.

    Raises:
        UserError: the network is not finished, the weights were not kept, or a file is damaged.
    """
    network = TrainingLayout(Path(directory).resolve())
    if not network.done.exists():
        raise UserError(f"{directory}: no finished network there (no {network.done.name} file)")
    if weights == "final" and not network.final.exists():
        raise UserError(
            f"{network.final}: trained weights were not kept; the lottery command with pruning.keep [final] trains "
            "the network again and keeps them"
        )
    masks = read_tensors(network.mask)
    return Ticket(masks, read_tensors(network.final) if weights == "final" else starting_state(network))


def _of_file(path: Path, weights: str | None) -> Ticket:
    """Read a ticket that was exported."""
    found = load_ticket_file(path)
    if not found.masks or not found.state:
        raise UserError(
            f"{path}: no ticket (no {'weights' if found.masks else 'masks'}); python -m app export writes them"
        )
    has = found.notes.get("weights")
    if weights is not None and weights != has:
        raise UserError(f"{path}: holds the {has} weights of a ticket; export it again with --weights {weights}")
    return found


def _prefixes(state: set[str], masks: set[str], names: set[str]) -> tuple[str, str]:
    """The prefixes by which the names of a network differ there and here.

    Args:
        state: names in the run directory; those of a module around the network, such as of its metrics, may be among
            them.
        masks: those of them that have a mask.
        names: of the module that they are to be loaded into.

    Returns:
        What names begin with there and here. If not all names agree, those by which at least the masks' do, and
        otherwise two empty ones.
    """
    pairs = [(theirs, ours) for theirs in _beginnings(masks) for ours in _beginnings(names)]
    for theirs, ours in pairs:
        if {ours + name.removeprefix(theirs) for name in state if name.startswith(theirs)} == names:
            return theirs, ours
    agreeing = (pair for pair in pairs if {pair[1] + name.removeprefix(pair[0]) for name in masks} <= names)
    return next(agreeing, ("", ""))


def _beginnings(names: set[str]) -> list[str]:
    """What all of these names begin with up to one of their dots, the shortest first."""
    first = min(names, default="")
    found = ["", *(first[: place + 1] for place, letter in enumerate(first) if letter == ".")]
    return [beginning for beginning in found if all(name.startswith(beginning) for name in names)]


def _renamed(tensors: Mapping[str, Tensor], theirs: str, ours: str) -> dict[str, Tensor]:
    return {ours + name.removeprefix(theirs): tensor for name, tensor in tensors.items() if name.startswith(theirs)}


def starting_state(network: TrainingLayout) -> dict[str, Tensor]:
    """The state that the training of a network started from, before or after masking.

    Args:
        network: the files of a finished network, by a path without links.

    Raises:
        UserError: it was not kept, or is damaged.
    """
    if network.start.exists():
        return read_tensors(network.start)
    run = run_of(network.root)
    key = NetworkKey.of_path(network.root.relative_to(run.root).as_posix()) if run is not None else None
    if run is None or key is None:
        raise UserError(
            f"{network.root}: not inside a replicate of a run directory, so its starting weights are unknown"
        )
    started = read_report(network)["checksums"].get("start")
    initial, later = run.initial(key.replicate), run.rewind_weights(key.replicate)
    choices = [initial] if key.round == 0 else [later, initial]
    for path in (each for each in choices if each.exists()):
        state = read_tensors(path)
        if digest(state) == started:
            return state
    for path in (each for each in choices if not each.exists()):
        if (expected := recorded(path)) is not None and expected.checksum == started:
            return read_tensors(path)  # says that it is missing
    raise UserError(
        f"{network.root}: its starting weights were sampled for this network alone and not kept; the lottery "
        "command with pruning.keep [final, start] keeps them"
    )
