"""The states of modules, by parameter and buffer name: what a checkpoint holds and a module takes."""

from collections.abc import Mapping

from torch import Tensor

from app.common.errors import UserError


def check_shapes(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Compare names and shapes, before PyTorch does so at length.

    Args:
        ours: the model's state.
        theirs: the checkpoint's.

    Raises:
        UserError: they differ; names the first that does.
    """
    for name in sorted(ours.keys() | theirs.keys()):
        here, there = (tuple(state[name].shape) if name in state else "none" for state in (ours, theirs))
        if here != there:
            raise UserError(
                f"the checkpoint is of another model: {name} is {there} there and {here} here; use the "
                "configuration that it was made with"
            )
