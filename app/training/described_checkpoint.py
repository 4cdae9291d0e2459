"""Checkpoints that say which model they are of, in plain names."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from app.common.states import plain_name, same_names
from app.runs.checkpoints import describe


def describe_in_plain_names(checkpoint: dict[str, Any], config: Mapping[str, Any]) -> None:
    """Write class path and arguments of model and data into a checkpoint, before it is saved.

    `load_from_checkpoint(path)` then needs nothing else. The names of weights lose what `torch.compile` adds to them.

    Args:
        checkpoint: to be saved.
        config: the whole configuration.
    """
    checkpoint["state_dict"] = {plain_name(name): value for name, value in checkpoint["state_dict"].items()}
    describe(checkpoint, config)


@contextmanager
def loading_plain_names(module: nn.Module) -> Iterator[None]:
    """Within, the module loads states with plain names, whether or not parts of it are compiled."""
    hook = module.register_load_state_dict_pre_hook(_rename)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        hook.remove()


def _rename(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Give the weights of a state the names that they have in this module."""
    if not prefix:
        renamed = same_names(module, state)
        state.clear()
        state.update(renamed)
