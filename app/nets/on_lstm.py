"""Ordered Neurons (Shen, Tan, Sordoni & Courville 2019), equation by equation."""

# T time, B batch, H hidden units (D in the paper), C chunk size, K = H / C chunks (D_m in the paper).

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from typing_extensions import override

from app.common.errors import UserError
from app.nets.fused.cells import ONLSTMCell
from app.nets.recurrent import RecurrentLayer, RecurrentNet


def cumax(x: Tensor, dim: int = -1) -> Tensor:
    """The cumulative sum of a softmax: rises to 1 along `dim` (section 4.1, equation 6).

    Args:
        x: any shape.
        dim: the dimension along which units are ordered.

    Returns:
        The shape of x, values in (0, 1].
    """
    return x.softmax(dim).cumsum(dim)


def on_lstm_step(gates: Tensor, c: Tensor, chunk_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """One time step of an ON-LSTM, given the matrix products (section 4, equations 1-5 and 9-14).

    Args:
        gates: (B, 2K + 4H), before their activations, in the authors' order: master input gate, master forget gate (K
            each), output gate, cell candidate, input gate, forget gate (H each).
        c: (B, H), the cell state before the step.
        chunk_size: C, the number of neighbouring units that share a master gate.

    Returns:
        h (B, H), c (B, H), and the syntactic distance (B,): 1 - mean(master forget gate), which is that of equation 15
        divided by K.
    """
    chunks = c.size(1) // chunk_size
    masters, rest = torch.split(gates, [2 * chunks, 4 * c.size(1)], dim=1)
    master_input, master_forget = masters.view(-1, 2, chunks, 1).unbind(1)
    master_input = 1 - cumax(master_input, 1)  # eq. 10
    master_forget = cumax(master_forget, 1)  # eq. 9
    # A master gate applies to all C units of its chunk: (B, K, 1) is broadcast to (B, K, C).
    output, candidate, input, forget = rest.view(-1, 4, chunks, chunk_size).unbind(1)
    overlap = master_forget * master_input  # eq. 11
    forget = forget.sigmoid() * overlap + (master_forget - overlap)  # eq. 12
    input = input.sigmoid() * overlap + (master_input - overlap)  # eq. 13
    cell = forget * c.view(-1, chunks, chunk_size) + input * candidate.tanh()  # eq. 14
    h = output.sigmoid() * cell.tanh()  # eq. 5
    return h.flatten(1), cell.flatten(1), 1 - master_forget.mean((1, 2))


class ONLSTMLayer(RecurrentLayer):
    """One layer of ordered neurons.

    Args:
        input_size: features of the input.
        hidden_size: H.
        chunk_size: C; must divide H.
        weight_dropout: DropConnect on `weight_hh`.
        weight_dropout_inverted: use AWD-LSTM's form of it instead of the ON-LSTM authors'.

    Raises:
        UserError: the chunk size does not divide the number of hidden units.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        chunk_size: int = 10,
        *,
        weight_dropout: float = 0.0,
        weight_dropout_inverted: bool = False,
    ) -> None:
        if chunk_size < 1 or hidden_size % chunk_size:
            raise UserError(
                f"chunk_size {chunk_size} does not divide a layer of {hidden_size} units; choose one that divides them"
            )
        self.chunk_size = chunk_size
        rows = 2 * (hidden_size // chunk_size) + 4 * hidden_size
        super().__init__(input_size, hidden_size, rows, weight_dropout, weight_dropout_inverted)

    @override
    def reset_parameters(self) -> None:
        """Initialise the weight and bias of each product as `nn.Linear` does, like the authors' code."""
        for weight, bias in ((self.weight_ih, self.bias_ih), (self.weight_hh, self.bias_hh)):
            bound = weight.size(1) ** -0.5
            nn.init.uniform_(weight, -bound, bound)
            nn.init.uniform_(bias, -bound, bound)

    @override
    def prefixed_rows(self) -> list[tuple[str, int]]:
        masters = 2 * (self.hidden_size // self.chunk_size)
        return [("master_", masters), ("", len(self.weight_hh) - masters)]

    @override
    def gates(self) -> list[tuple[str, int]]:
        masters = ("master input", "master forget")
        others = ("output", "candidate", "input", "forget")
        return [*((name, self.ranks) for name in masters), *((name, self.hidden_size) for name in others)]

    @property
    @override
    def ranks(self) -> int:
        return self.hidden_size // self.chunk_size

    @override
    def step(self, gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return on_lstm_step(gates, c, self.chunk_size)

    @property
    @override
    def cell(self) -> ONLSTMCell:
        return ONLSTMCell(self.chunk_size)


class ONLSTM(RecurrentNet):
    """A stack of ON-LSTM layers, time-major like `nn.LSTM`.

    `output, (h, c), distances = net(input, state)`; the parameters of layer l are `layers[l].weight_ih`,
    `weight_hh`, `bias_ih`, `bias_hh`, with rows in the order of the authors' code.

    Args:
        input_size: features of the input.
        layer_sizes: hidden units of each layer, the lowest first.
        chunk_size: number of units that share a master gate; must divide the size of every layer.
        dropout: locked dropout between layers.
        weight_dropout: DropConnect on the recurrent weights, one mask per call.
        weight_dropout_inverted: use AWD-LSTM's form of it instead of the ON-LSTM authors'.

    Raises:
        UserError: the chunk size does not divide a layer, there is no layer, or a dropout is outside [0, 1).
    """

    def __init__(
        self,
        input_size: int,
        layer_sizes: Sequence[int],
        chunk_size: int = 10,
        *,
        dropout: float = 0.0,
        weight_dropout: float = 0.0,
        weight_dropout_inverted: bool = False,
    ) -> None:
        inputs = [input_size, *layer_sizes[:-1]]
        layers = [
            ONLSTMLayer(
                size_in,
                size,
                chunk_size,
                weight_dropout=weight_dropout,
                weight_dropout_inverted=weight_dropout_inverted,
            )
            for size_in, size in zip(inputs, layer_sizes, strict=False)
        ]
        super().__init__(layers, dropout)
