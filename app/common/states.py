"""States of modules by plain name, as files hold them.

`torch.compile(net)` wraps a network, and the names of its parameters then begin with `_orig_mod.`. Names in files,
masks and messages are plain, without this prefix, so that a ticket of a compiled network fits the network uncompiled.
"""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from app.common.errors import UserError

COMPILED = "_orig_mod."


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values: two states are equal exactly if their digests are."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def plain_name(name: str) -> str:
    """The name of a parameter or buffer without the prefix that `torch.compile` adds."""
    return name.replace(COMPILED, "")


def plain_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """The module's parameters by plain name; a tied parameter appears once, by its first name."""
    return {plain_name(name): parameter for name, parameter in module.named_parameters()}


def plain_state(module: nn.Module) -> dict[str, Tensor]:
    """A copy on the CPU of the module's parameters and buffers, by plain name."""
    return {plain_name(name): value.detach().cpu().clone() for name, value in module.state_dict().items()}


def load_plain_state(module: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load a state with plain names into a module, in place, so that its Parameters stay the same objects.

    Args:
        module: may hold compiled networks.
        state: parameters and buffers by plain name.
        source: where the state is from, as the plural subject of an error message.

    Raises:
        UserError: names or shapes differ from the module's.
    """
    check_state(state, module, source)
    module.load_state_dict({name: state[plain_name(name)] for name in module.state_dict()})


def check_state(state: Mapping[str, Tensor], module: nn.Module, source: str) -> None:
    """Compare names and shapes of a state and a module, for a shorter error message than PyTorch's.

    Args:
        state: parameters and buffers by name, plain or not.
        module: may hold compiled networks.
        source: where the state is from, as the plural subject of an error message.

    Raises:
        UserError: names or shapes differ.
    """
    ours = {plain_name(name): tuple(value.shape) for name, value in module.state_dict().items()}
    theirs = {plain_name(name): tuple(value.shape) for name, value in state.items()}
    if different := [name for name in sorted(ours | theirs) if ours.get(name) != theirs.get(name)]:
        raise UserError(
            f"{source} are another network's: {', '.join(different)} differ in name or shape; "
            "were parameters renamed? Continue with the code that began it, or start again in another directory"
        )


def check_shapes(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Compare the names and shapes of a model's state and a checkpoint's.

    Args:
        ours: the model's state.
        theirs: the checkpoint's.

    Raises:
        UserError: names or shapes differ; the message names the first difference.
    """
    ours, theirs = ({plain_name(name): value for name, value in state.items()} for state in (ours, theirs))
    for name in sorted(ours.keys() | theirs.keys()):
        here, there = (tuple(state[name].shape) if name in state else "none" for state in (ours, theirs))
        if here != there:
            raise UserError(
                f"the checkpoint is of another model: {name} is {there} there and {here} here; use the "
                "configuration that it was made with"
            )


def same_names(module: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state with the names of this module, compiled or not; entries that the module does not have keep theirs."""
    names = {plain_name(name): name for name in module.state_dict()}
    return {names.get(plain_name(name), name): value for name, value in state.items()}
