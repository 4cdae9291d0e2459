"""When something happens in a training: after so many iterations, or after so many epochs."""

import re
from dataclasses import dataclass

from app.common.errors import UserError


@dataclass(frozen=True, slots=True)
class When:
    """A moment of a training, such as the one that tickets are rewound to.

    Args:
        count: how many units after the start.
        unit: "it" (iterations, that is optimiser steps) or "ep" (epochs).
        before_end: the count is from the end backwards.
    """

    count: int
    unit: str = "it"
    before_end: bool = False

    @classmethod
    def parse(cls, text: str, name: str = "rewind_to") -> "When":
        """Read "0it", "500it" or "2ep".

        Args:
            text: what was written.
            name: the option that it was written for, for the message.

        Raises:
            UserError: `text` is not of that form.
        """
        match = re.fullmatch(r"([0-9]{1,18})(it|ep)", text) if isinstance(text, str) else None
        if match is None:
            raise UserError(
                f"{name} is {text!r:.80}; write iterations as '500it' or epochs as '2ep' ('0it': the start)"
            )
        return cls(int(match[1]), match[2])

    def iteration(self, iterations_per_epoch: int) -> int:
        """The same moment in iterations, from the start or from the end."""
        return self.count if self.unit == "it" else self.count * iterations_per_epoch

    def __str__(self) -> str:
        return f"{self.count}{self.unit}{'_before_end' if self.before_end else ''}"


def rewind_iteration(rewind_to: str, *, iterations: int, iterations_per_epoch: int) -> int:
    """The iteration that tickets are rewound to.

    Args:
        rewind_to: as `When.parse` reads it.
        iterations: the length of a training.
        iterations_per_epoch: batches in one epoch.

    Raises:
        UserError: the moment does not lie within the training.
    """
    iteration = When.parse(rewind_to).iteration(iterations_per_epoch)
    if iteration >= iterations:
        raise UserError(
            f"rewind_to is {rewind_to} (iteration {iteration:,}), but a training ends at iteration {iterations:,}; "
            "choose an earlier moment or train longer"
        )
    return iteration
