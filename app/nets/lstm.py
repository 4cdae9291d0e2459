"""The LSTM, the paper's baseline, with the interface of the ON-LSTM."""

# T time, B batch, H hidden units.

from collections.abc import Sequence

from torch import Tensor, nn
from typing_extensions import override

from app.nets.fused.cells import LSTMCell
from app.nets.recurrent import RecurrentLayer, RecurrentNet


def lstm_step(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One time step of an LSTM, given the matrix products (Shen et al. 2019, section 4, equations 1-5).

    Args:
        gates: (B, 4H), before their activations: input gate, forget gate, cell candidate, output gate, the order of
            `nn.LSTM`.
        c: (B, H), the cell state before the step.

    Returns:
        h (B, H), c (B, H), and 1 - mean(forget gate) (B,), which replaces the syntactic distance in a network without
        master gates (Dyer, Melis & Blunsom 2019).
    """
    input, forget, candidate, output = gates.chunk(4, dim=1)
    forget = forget.sigmoid()
    c = forget * c + input.sigmoid() * candidate.tanh()
    return output.sigmoid() * c.tanh(), c, 1 - forget.mean(1)


class LSTMLayer(RecurrentLayer):
    """One LSTM layer.

    Args:
        input_size: features of the input.
        hidden_size: H.
        weight_dropout: DropConnect on `weight_hh`.
        weight_dropout_inverted: use AWD-LSTM's form of it instead of the ON-LSTM authors'.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        weight_dropout: float = 0.0,
        weight_dropout_inverted: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size, 4 * hidden_size, weight_dropout, weight_dropout_inverted)

    @override
    def reset_parameters(self) -> None:
        """Initialise as `nn.LSTM` does."""
        for parameter in (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh):
            nn.init.uniform_(parameter, -(self.hidden_size**-0.5), self.hidden_size**-0.5)

    @override
    def gates(self) -> list[tuple[str, int]]:
        return [(name, self.hidden_size) for name in ("input", "forget", "candidate", "output")]

    @override
    def step(self, gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return lstm_step(gates, c)

    @property
    @override
    def cell(self) -> LSTMCell:
        return LSTMCell()


class LSTM(RecurrentNet):
    """A stack of LSTM layers with the interface of `ONLSTM`; its "distances" are 1 - mean(forget gate).

    Args:
        input_size: features of the input.
        layer_sizes: hidden units of each layer, the lowest first.
        dropout: locked dropout between layers.
        weight_dropout: DropConnect on the recurrent weights, one mask per call.
        weight_dropout_inverted: use AWD-LSTM's form of it instead of the ON-LSTM authors'.

    Raises:
        UserError: there is no layer, or a dropout is outside [0, 1).
    """

    def __init__(
        self,
        input_size: int,
        layer_sizes: Sequence[int],
        *,
        dropout: float = 0.0,
        weight_dropout: float = 0.0,
        weight_dropout_inverted: bool = False,
    ) -> None:
        inputs = [input_size, *layer_sizes[:-1]]
        layers = [
            LSTMLayer(size_in, size, weight_dropout=weight_dropout, weight_dropout_inverted=weight_dropout_inverted)
            for size_in, size in zip(inputs, layer_sizes, strict=False)
        ]
        super().__init__(layers, dropout)
