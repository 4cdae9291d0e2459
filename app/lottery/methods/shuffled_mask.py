"""Masks shuffled within their layers (Frankle et al. 2021, "Missing the Mark")."""

import torch
from typing_extensions import override

from app.lottery.methods.control import Control
from app.lottery.methods.method import Finished, Origin
from app.pruning import survivors
from app.runs.layout import NetworkKey


class ShuffledMask(Control):
    """The mask of a ticket, each layer's shuffled, on the weights that tickets are rewound to.

    Its distribution is that of `random_mask`; this is the ablation under its name in the literature, with its own
    draws.
    """

    name = "shuffled_mask"
    label = "shuffled mask"
    note = "a ticket's mask shuffled within each layer, on the weights that tickets are rewound to"

    @override
    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        draw = finished.generator(key)
        masks = {name: mask.clone() for name, mask in self.ticket(key, finished).items()}
        for _, part in sorted(finished.parts(masks).items()):
            part.copy_(part.flatten()[torch.randperm(part.numel(), generator=draw)].view_as(part))
        return Origin(weights=self.weights(key, finished), masks=masks, survivors=survivors(masks))
