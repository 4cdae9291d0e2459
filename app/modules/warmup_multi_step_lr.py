"""A learning rate that rises linearly over the first iterations and drops at milestones."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from typing_extensions import override

from app.common.errors import UserError
from app.pruning import When

Moment = int | str


class WarmupMultiStepLR(LRScheduler):
    """At iteration t, counted from 0: lr * min(1, t / warmup) * gamma ** (number of milestones <= t).

    The linear warm-up of Frankle & Carbin (2019), section 4, from 0 over k iterations; the product of both factors is
    OpenLTH's. torch's MultiStepLR has no warm-up and counts steps, and no configuration can express its SequentialLR.

    A moment is a number of iterations, 20000 or "20000it", or of epochs, "80ep". The scheduler steps once per
    iteration; `Classifier` tells it how long an epoch is.

    Args:
        optimizer: has the learning rates lr, one for each of its groups.
        warmup: when the full learning rate is reached; 0 for none.
        milestones: when it is multiplied by `gamma`, in increasing order.
        gamma: the factor at every milestone.
        last_epoch: the iteration to go on from, as for every scheduler of torch; -1 to begin.

    Raises:
        UserError: a moment that cannot be read, milestones that are not after the start, in order and of one unit, or a
            gamma that is not above 0.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup: Moment = 0,
        milestones: Sequence[Moment] = (),
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        moments = [_moment(each, f"milestones[{place}]") for place, each in enumerate(milestones)]
        counts = [each.count for each in moments]
        if len({each.unit for each in moments}) > 1 or 0 in counts or counts != sorted(set(counts)):
            raise UserError(
                f"milestones are {list(milestones)}; give them in increasing order, after the start, and all in"
                " iterations or all in epochs"
            )
        if not gamma > 0:
            raise UserError(f"gamma is {gamma}; the learning rate is multiplied by it, so choose it above 0")
        # As text, so that the state of the scheduler loads under `weights_only=True`.
        self._warmup, self._milestones = str(_moment(warmup, "warmup")), [str(each) for each in moments]
        self._gamma = gamma
        self._iterations_per_epoch: int | None = None
        super().__init__(optimizer, last_epoch)

    def set_epoch(self, batches: float, accumulated: int = 1) -> None:
        """Say how long an epoch is, before the first step.

        Args:
            batches: of one epoch; infinity where it is unknown.
            accumulated: batches of one iteration.

        Raises:
            UserError: a moment is given in epochs, and their length is unknown.
        """
        self._iterations_per_epoch = math.ceil(batches / accumulated) if math.isfinite(batches) else None
        for moment in (self._warmup, *self._milestones):
            self._iteration(moment)

    @override
    def get_lr(self) -> list[float | Tensor]:
        """The learning rates of iteration `last_epoch`, as torch calls the number of steps."""
        if self.last_epoch == 0:  # the length of an epoch is not known yet, and makes no difference
            return [0.0 if When.parse(self._warmup).count else float(lr) for lr in self.base_lrs]
        warmup, milestones = self._iteration(self._warmup), [self._iteration(each) for each in self._milestones]
        rise = min(1.0, self.last_epoch / warmup) if warmup else 1.0
        factor = rise * self._gamma ** bisect_right(milestones, self.last_epoch)
        return [float(lr) * factor for lr in self.base_lrs]

    def _iteration(self, moment: str) -> int:
        when = When.parse(moment)
        if when.unit == "it":
            return when.count
        if self._iterations_per_epoch is None:
            raise UserError(
                f"{type(self).__name__} has {moment}, and the length of an epoch is not known; give moments in "
                "iterations"
            )
        return when.iteration(self._iterations_per_epoch)


def _moment(value: Moment, name: str) -> When:
    """A moment from a number of iterations, or from text such as "80ep"."""
    text: Any = f"{value}it" if type(value) is int else value
    return When.parse(text, name)
