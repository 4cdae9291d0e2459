"""Surviving initial values reshuffled (Zhou et al. 2019, "random reshuffle")."""

import torch
from torch import Tensor
from typing_extensions import override

from app.lottery.methods.control import Control
from app.lottery.methods.method import Finished
from app.runs.layout import NetworkKey


class Reshuffled(Control):
    """The mask of a ticket; the values that its survivors are rewound to change places within each layer.

    Everything else is rewound.
    """

    name = "reshuffled"
    label = "reshuffled weights"
    note = "a ticket's mask, the values that its survivors are rewound to shuffled within each layer"

    @override
    def weights(self, key: NetworkKey, finished: Finished) -> dict[str, Tensor]:
        start, draw = finished.rewind_point(key.replicate, self.of), finished.generator(key)
        ticket = self.ticket(key, finished)
        start |= {name: start[name].clone() for name in ticket}
        parts = finished.parts(start)
        for name, mask in sorted(finished.parts(ticket).items()):
            values = parts[name][mask]
            parts[name][mask] = values[torch.randperm(len(values), generator=draw)]
        return start
