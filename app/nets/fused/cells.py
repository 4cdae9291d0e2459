"""The element-wise part of a recurrent time step and its hand-written derivatives, in PyTorch operations."""

# T time, B batch, H hidden units, C chunk size, K = H / C chunks, R rows of all gates together.

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Local(NamedTuple):
    """The local derivatives of all steps of a sequence; they do not depend on later steps."""

    cell: Tensor  # dh / dc (T, B, H): of the output with respect to the cell state
    kept: Tensor  # of the cell state with respect to that of the step before (T, B, H)
    gates: Tensor  # by gate before activation (T, B, R): of h for the output gate, of c for the others
    masters: Tensor  # of c with respect to both cumulative sums, by unit (T, B, 2, H); empty without master gates


class Cell(Protocol):
    """The part of a time step after the matrix product, and its derivatives."""

    chunk_size: int  # number of units that share a master gate; 0 without master gates

    def forward(self, gates: Tensor, c: Tensor, new_h: Tensor, new_c: Tensor) -> None:
        """One step: activate the gates (B, R) in place, and write new_h and new_c (B, H) from them and c (B, H)."""

    def distances(self, gates: Tensor) -> Tensor:
        """Syntactic distances (T, B) from the activated gates (T, B, R) of a sequence."""

    def local(self, gates: Tensor, cells: Tensor, before: Tensor) -> Local:
        """Local derivatives from activated gates (T, B, R), the cell states (T, B, H) and those before each step."""

    def backward(self, dh: Tensor, dc: Tensor, local: Local, gates: Tensor, time: int, d_gates: Tensor) -> None:
        """Write d_gates (B, R), the gradient before activation, from those of h and c (B, H) at step `time`."""


class LSTMCell:
    """The LSTM cell, equations 1-5 of Shen et al. 2019. Rows: input, forget, candidate, output."""

    chunk_size = 0

    def forward(self, gates: Tensor, c: Tensor, new_h: Tensor, new_c: Tensor) -> None:
        """Apply the gates: c = forget * c + input * candidate, h = output * tanh(c)."""
        four = gates.view(len(gates), 4, -1)
        four[:, :2].sigmoid_()
        input, forget, candidate, output = four.unbind(1)
        candidate.tanh_()
        output.sigmoid_()
        torch.mul(forget, c, out=new_c).addcmul_(input, candidate)
        torch.tanh(new_c, out=new_h).mul_(output)

    def distances(self, gates: Tensor) -> Tensor:
        """1 - mean(forget gate)."""
        return 1 - gates.view(*gates.shape[:2], 4, -1)[:, :, 1].mean(-1)

    def local(self, gates: Tensor, cells: Tensor, before: Tensor) -> Local:
        """Local derivatives of all steps."""
        input, forget, candidate, output = gates.view(*gates.shape[:2], 4, -1).unbind(2)
        squashed = cells.tanh()
        of_gates = (
            candidate * input * (1 - input),
            before * forget * (1 - forget),
            input * (1 - candidate.square()),
            squashed * output * (1 - output),
        )
        return Local(output * (1 - squashed.square()), forget, torch.cat(of_gates, -1), gates.new_empty(0))

    def backward(self, dh: Tensor, dc: Tensor, local: Local, gates: Tensor, time: int, d_gates: Tensor) -> None:
        """Multiply the gradients of c and h by the local derivatives of one step."""
        factors, out = local.gates[time].view(len(dh), 4, -1), d_gates.view(len(dh), 4, -1)
        torch.mul(factors[:, :3], dc.unsqueeze(1), out=out[:, :3])
        torch.mul(factors[:, 3], dh, out=out[:, 3])


class ONLSTMCell:
    """The ON-LSTM cell, equations 5 and 9-14 of Shen et al. 2019.

    Rows: master input gate, master forget gate (K each), output, candidate, input, forget (H each). The rows of an
    activated master gate hold its softmax, not the cumulative sum: the sum is cheap to compute from the softmax, while
    the softmax as a difference of sums would lose digits.

    Args:
        chunk_size: C.
    """

    def __init__(self, chunk_size: int) -> None:
        self.chunk_size = chunk_size

    def _split(self, gates: Tensor) -> tuple[Tensor, Tensor]:
        """Views of gates (..., R): the master gates (..., 2, K) and the other gates (..., 4, K, C)."""
        chunks = gates.size(-1) // (2 + 4 * self.chunk_size)
        masters, others, rest = gates[..., : 2 * chunks], gates[..., 2 * chunks :], gates.shape[:-1]
        return masters.view(*rest, 2, chunks), others.view(*rest, 4, chunks, self.chunk_size)

    def forward(self, gates: Tensor, c: Tensor, new_h: Tensor, new_c: Tensor) -> None:
        """Apply master gates and gates to the cell state, equations 9-14, and the output gate, equation 5."""
        masters, others = self._split(gates)
        sums = masters.copy_(masters.softmax(-1)).cumsum(-1).unsqueeze(-1)
        master_input, master_forget = 1 - sums[:, 0], sums[:, 1]
        output, candidate = others[:, 0], others[:, 1]
        output.sigmoid_()
        candidate.tanh_()
        input, forget = others[:, 2:].sigmoid_().unbind(1)
        overlap = master_forget * master_input
        new_c, new_h = new_c.view_as(candidate), new_h.view_as(candidate)
        torch.addcmul(master_forget - overlap, forget, overlap, out=new_c).mul_(c.view_as(candidate))
        new_c.addcmul_(torch.addcmul(master_input - overlap, input, overlap), candidate)
        torch.tanh(new_c, out=new_h).mul_(output)

    def distances(self, gates: Tensor) -> Tensor:
        """1 - mean(master forget gate)."""
        return 1 - self._split(gates)[0][:, :, 1].cumsum(-1).mean(-1)

    def local(self, gates: Tensor, cells: Tensor, before: Tensor) -> Local:
        """Local derivatives of all steps."""
        masters, others = self._split(gates)
        sums = masters.cumsum(-1).unsqueeze(-1)
        master_input, master_forget = 1 - sums[:, :, 0], sums[:, :, 1]
        output, candidate, input, forget = others.unbind(2)
        overlap = master_forget * master_input
        squashed, before = cells.tanh().view_as(candidate), before.reshape(candidate.shape)
        kept, written = forget * overlap + (master_forget - overlap), input * overlap + (master_input - overlap)
        of_overlap = before * (forget - 1) + candidate * (input - 1)
        of_gates = (
            squashed * output * (1 - output),
            written * (1 - candidate.square()),
            candidate * overlap * input * (1 - input),
            before * overlap * forget * (1 - forget),
        )
        of_masters = -(candidate + master_forget * of_overlap), before + master_input * of_overlap
        return Local(
            (output * (1 - squashed.square())).flatten(2),
            kept.flatten(2),
            torch.stack(of_gates, 2).flatten(2),
            torch.stack(of_masters, 2).flatten(3),
        )

    def backward(self, dh: Tensor, dc: Tensor, local: Local, gates: Tensor, time: int, d_gates: Tensor) -> None:
        """Multiply by the local derivatives of one step; then go back through cumulative sum and softmax."""
        masters, others = self._split(d_gates)
        softmax, _ = self._split(gates)
        factors = local.gates[time].view_as(others)
        torch.mul(factors[:, 1:], dc.view_as(factors[:, :1]), out=others[:, 1:])
        torch.mul(factors[:, 0], dh.view_as(factors[:, 0]), out=others[:, 0])
        d_sums = (local.masters[time] * dc.unsqueeze(1)).view(*masters.shape, -1).sum(-1)
        # A softmax value enters its own cumulative sum and all later ones: its gradient is the sum of theirs.
        d_softmax = d_sums.sum(-1, keepdim=True) - d_sums.cumsum(-1) + d_sums
        masters.copy_(softmax * (d_softmax - (softmax * d_softmax).sum(-1, keepdim=True)))
