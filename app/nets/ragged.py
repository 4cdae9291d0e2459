"""Reads padded sequences of different lengths without computing the padding."""

# T time, B batch, D features of the input, H hidden units.

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from app.nets.recurrent import RecurrentNet

# A segment continues while more than this share of its sequences do, and has at least as many steps as the fused layers
# need. Measured with an (ON-)LSTM of 400 units on formulas: 2.2 times as fast as reading a batch whole.
SHARE = 0.75
SHORTEST = 4


def last_outputs(net: RecurrentNet, input: Tensor, lengths: Tensor) -> Tensor:
    """The net's output at the last step of every sequence.

    The batch is read in segments of time; each leaves out the sequences that have ended, so padding has no influence. A
    net in training that drops weights, or units between layers, reads the batch as one segment, because it samples its
    masks once per call.

    Args:
        net: starts from a state of zeros.
        input: (T, B, D), padded.
        lengths: int64 (B,), each from 1 to T.

    Returns:
        (B, H): row b is the output for sequence b at step `lengths[b]` - 1.
    """
    order = lengths.argsort(descending=True, stable=True)
    ends = lengths[order].tolist()
    input = input.index_select(1, order)
    whole = net.training and (net.dropout > 0 or any(layer.weight_dropout > 0 for layer in net.layers))
    state, found = None, []
    for start, stop, active in [(0, ends[0], len(ends))] if whole else segments(ends):
        if state is not None:
            state = [h[:active] for h in state[0]], [c[:active] for c in state[1]]
        output, state, _ = net(input[start:stop, :active], state)
        remaining = sum(end > stop for end in ends[:active])
        ended = torch.tensor(ends[remaining:active], device=input.device) - 1 - start
        found.append(output[ended, torch.arange(remaining, active, device=input.device)])
    return torch.cat(found[::-1]).index_select(0, order.argsort())


def segments(ends: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Cut the time of a batch into segments.

    Args:
        ends: lengths of its sequences, the longest first.

    Yields:
        The first step of a segment, the step after its last, and the number of sequences longer than its first step.
    """
    start = 0
    while start < ends[0]:
        active = sum(end > start for end in ends)
        stop = start + SHORTEST
        while stop < ends[0] and sum(end > stop for end in ends) > SHARE * active:
            stop += 1
        if ends[0] - stop < SHORTEST:
            stop = ends[0]
        yield start, stop, active
        start = stop
