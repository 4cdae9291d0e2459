"""Loss and accuracy of N networks over sets of images."""

# N networks, E images of a set.

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from app.stacked.networks import StackedNetworks

# Images in a forward pass: on a CPU as many as stay in the cache, on a GPU as many as fill it.
AT_ONCE_CPU = 250
PAIRS_AT_ONCE = 250_000  # of an image and a network, on a GPU


class EvaluationSet(NamedTuple):
    """A set of images, and the networks that are evaluated on it.

    Args:
        images: (E, ...) on the device.
        labels: int64 (E,).
        networks: their numbers.
    """

    images: Tensor
    labels: Tensor
    networks: range


class Means(NamedTuple):
    """What was measured, on the device, for each network.

    Args:
        loss: float64 (N,), the mean cross-entropy.
        accuracy: float64 (N,), from 0 to 1.
    """

    loss: Tensor
    accuracy: Tensor


@torch.no_grad()
def evaluate(networks: StackedNetworks, flat: Tensor, sets: Sequence[EvaluationSet]) -> Means:
    """Measure each network on its set.

    Args:
        networks: of one architecture.
        flat: their parameters, (N, P).
        sets: together they have each network once.
    """
    found = Means(*(torch.full((len(flat),), torch.nan, dtype=torch.float64, device=flat.device) for _ in range(2)))
    for images, labels, which in sets:
        part = slice(which.start, which.stop)
        parameters = networks.layout.views(flat[part])
        buffers = {name: value[part] for name, value in networks.buffers.items()}
        loss = torch.zeros(len(which), dtype=torch.float64, device=flat.device)
        right = torch.zeros(len(which), dtype=torch.int64, device=flat.device)
        at_once = AT_ONCE_CPU if flat.device.type == "cpu" else max(1, PAIRS_AT_ONCE // len(which))
        for some, their in zip(torch.split(images, at_once), torch.split(labels, at_once), strict=True):
            logits = networks.logits(parameters, buffers, some)
            wanted = their.expand(len(which), -1)
            loss += (
                F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
                .view_as(wanted)
                .double()
                .sum(1)
            )
            right += (logits.argmax(2) == wanted).sum(1)
        found.loss[part], found.accuracy[part] = loss / len(labels), right.double() / len(labels)
    return found
