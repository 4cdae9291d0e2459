"""Random reinitialisation (Frankle & Carbin, section 2): the control of the winning weights."""

from torch import Tensor
from typing_extensions import override

from app.lottery.methods.control import Control
from app.lottery.methods.method import Finished
from app.runs.layout import NetworkKey


class RandomReinit(Control):
    """The mask of a ticket with fresh weights."""

    name = "random_reinit"
    label = "random reinit"
    note = "a ticket's mask with fresh weights"

    @override
    def weights(self, key: NetworkKey, finished: Finished) -> dict[str, Tensor]:
        return finished.fresh_weights(key)
