"""A pruning callback among the callbacks of a configuration."""

from collections.abc import Iterable

from lightning.pytorch import Callback

from app.common.errors import UserError
from app.common.lines import print_line
from app.common.ranks import is_first
from callbacks import IterativePruningCallback


def tell_of_pruning(callbacks: Iterable[Callback]) -> None:
    """Say what a single training makes of a callback that prunes between trainings.

    Args:
        callbacks: of the Trainer.
    """
    if is_first() and any(isinstance(each, IterativePruningCallback) for each in callbacks):
        print_line(
            "IterativePruningCallback prunes between two trainings, and this command is one: it trains the dense "
            "network, round 0. The command lottery prunes, rewinds and trains again."
        )


def refuse_pruning(callbacks: Iterable[Callback]) -> None:
    """Refuse a second callback that prunes in a lottery.

    Args:
        callbacks: of the Trainer.

    Raises:
        UserError: there is one.
    """
    if any(isinstance(each, IterativePruningCallback) for each in callbacks):
        raise UserError(
            "trainer.callbacks has an IterativePruningCallback, and a lottery has its own; remove it, and give its "
            "options as --pruning.rates, --pruning.scope, --pruning.rewind_to and --pruning.score"
        )
