"""After which iterations Lightning validates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Validations:
    """The iterations of a training that a validation follows.

    Args:
        batches: of an epoch.
        interval: a number of batches, or a share of an epoch, as `trainer.val_check_interval`.
        epochs: validations in every so many epochs, as `trainer.check_val_every_n_epoch`; None where the interval
            counts batches across epochs.
    """

    batches: int
    interval: int | float
    epochs: int | None

    @classmethod
    def configured(cls, arguments: Mapping[str, Any], batches: int) -> "Validations":
        """Those of a configuration.

        Args:
            arguments: of the Trainer.
            batches: of an epoch.
        """
        interval = arguments.get("val_check_interval")
        return cls(batches, 1.0 if interval is None else interval, arguments.get("check_val_every_n_epoch", 1))

    def follows(self, iteration: int) -> bool:
        """Whether a validation follows the iteration; the first is 1."""
        epoch, batch = divmod(iteration - 1, self.batches)
        if self.epochs is None:
            return iteration % int(self.interval) == 0
        if (epoch + 1) % self.epochs:
            return False
        every = self.interval if isinstance(self.interval, int) else max(1, int(self.batches * self.interval))
        return (batch + 1) % every == 0

    def next(self, iteration: int, end: int) -> int:
        """The first iteration after this one that a validation follows; `end` where none does before it."""
        return next((later for later in range(iteration + 1, end) if self.follows(later)), end)
