"""The Trainer's mixed precision for what a module computes outside its steps."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any


def mixed_precision(trainer: Any) -> AbstractContextManager[Any]:
    """The context in which a Trainer with mixed precision runs its steps; for any other precision, one without effect.

    Args:
        trainer: a Lightning Trainer.
    """
    mixed = str(trainer.precision).endswith("-mixed")
    return trainer.precision_plugin.forward_context() if mixed else nullcontext()
