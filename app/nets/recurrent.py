"""Base classes of the recurrent nets: one layer, and a stack of layers."""

# T time, B batch, H hidden units of a layer, L layers. Time-major throughout.

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from app.common.errors import UserError
from app.common.gates import GatedWeight
from app.common.prunable import Declared
from app.nets import sparse
from app.nets.dropout import drop_weight, locked_dropout, weight_factor
from app.nets.fused.cells import Cell
from app.nets.fused.dispatch import fusible, implementations, read
from app.nets.fused.eager_gradients import Read
from app.nets.fused.gpu import available

# h and c, each one (B, H_l) tensor per layer.
State: TypeAlias = tuple[list[Tensor], list[Tensor]]
Implementation: TypeAlias = Literal["fused", "eager"]


class RecurrentLayer(nn.Module, ABC):
    """One recurrent layer: two weight matrices and two biases, whose rows are the gates.

    Args:
        input_size: features of the input.
        hidden_size: features of the output.
        rows: number of rows of every parameter, the sum of the sizes of all gates.
        weight_dropout: DropConnect on `weight_hh`, one mask per call.
        weight_dropout_inverted: use AWD-LSTM's form of it instead of the ON-LSTM authors'.

    Raises:
        UserError: a size is below 1.
    """

    # "eager" computes step by step with autograd; "fused" falls back to that for tensors that it does not support.
    implementation: Implementation = "fused"
    # Where the survivors of masked weights are, if the layer is to compute with them alone where it can.
    patterns: sparse.Patterns | None = None

    def __init__(
        self, input_size: int, hidden_size: int, rows: int, weight_dropout: float, weight_dropout_inverted: bool
    ) -> None:
        super().__init__()
        for what, size in (("input_size", input_size), ("a size in layer_sizes", hidden_size)):
            if size < 1:
                raise UserError(f"{what} is {size}; expected 1 or more")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.weight_dropout = weight_dropout
        self.weight_dropout_inverted = weight_dropout_inverted
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(rows))
        self.bias_hh = nn.Parameter(torch.empty(rows))
        self.reset_parameters()

    @abstractmethod
    def reset_parameters(self) -> None:
        """Initialise all parameters anew from torch's global generator."""

    def prefixed_rows(self) -> list[tuple[str, int]]:
        """What the kinds of rows begin with before "ih" or "hh", with numbers of rows, in order; "" for usual gates."""
        return [("", len(self.weight_hh))]

    def gates(self) -> list[tuple[str, int]]:
        """The names of the gates with their numbers of rows, in order."""
        return [("all gates", len(self.weight_hh))]

    @property
    def ranks(self) -> int:
        """How many ranks the units have, neighbours sharing one, where they are ordered; 0 where they are not."""
        return 0

    @abstractmethod
    def step(self, gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One time step, given the products: from gates (B, rows) and c (B, H) to h (B, H), c (B, H), distance (B,)."""

    @property
    @abstractmethod
    def cell(self) -> Cell:
        """The same step with a hand-written gradient."""

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Read a sequence.

        Args:
            x: (T, B, input_size).
            h: (B, H), the output before the first step.
            c: (B, H), the cell state before the first step.

        Returns:
            The outputs (T, B, H), the last h and c (B, H), and the distances (T, B), detached.
        """
        if self.patterns is not None and self.implementation == "fused" and self._fits_sparse(x, h, c):
            outputs, c, distances = self._read_sparse(self.patterns, x, h, c)
            return outputs, outputs[-1], c, distances
        weight_hh = drop_weight(
            self.weight_hh, self.weight_dropout, training=self.training, inverted=self.weight_dropout_inverted
        )
        tensors = x, self.weight_ih, self.bias_ih + self.bias_hh, weight_hh, h, c
        if self.implementation == "fused" and fusible(self.cell, *tensors):
            outputs, c, distances = read(self.cell, self.read_eagerly, *tensors)
        else:
            outputs, c, distances = self.read_eagerly(*tensors)
        return outputs, outputs[-1], c, distances

    def _fits_sparse(self, x: Tensor, h: Tensor, c: Tensor) -> bool:
        """Whether the compiled code can read this sequence with the surviving weights alone."""
        return (
            sparse.usable(x, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, h, c)
            and x.dim() == 3
            and x.numel() > 0
            and x.size(2) == self.input_size
            and h.shape == c.shape == (x.size(1), self.hidden_size)
        )

    def _read_sparse(self, patterns: sparse.Patterns, x: Tensor, h: Tensor, c: Tensor) -> Read:
        """The same with the survivors of both weights; weight dropout draws what it draws for the dense weight."""
        factor = weight_factor(
            self.weight_hh, self.weight_dropout, training=self.training, inverted=self.weight_dropout_inverted
        )
        values_hh = sparse.survivors(self.weight_hh, patterns.hh)
        values_hh = values_hh * (patterns.hh.gather(factor) if isinstance(factor, Tensor) else factor)
        values_ih = sparse.survivors(self.weight_ih, patterns.ih)
        tensors = x, values_ih, self.bias_ih + self.bias_hh, values_hh, h, c
        return sparse.read(self.cell, self.read_eagerly, patterns, *tensors)

    def read_eagerly(self, x: Tensor, weight_ih: Tensor, bias: Tensor, weight_hh: Tensor, h: Tensor, c: Tensor) -> Read:
        """The reference implementation: step by step, with gradients by autograd.

        Args:
            x: (T, B, input_size).
            weight_ih: (rows, input_size), strided or in torch's sparse CSR layout.
            bias: (rows,), the sum of both biases.
            weight_hh: (rows, H), likewise, after dropout.
            h: (B, H), before the first step.
            c: (B, H), before the first step.

        Returns:
            The outputs (T, B, H), the last c (B, H), and the distances (T, B), detached.
        """
        outputs, distances = [], []
        for gates in _products(x, weight_ih, bias).unbind(0):
            h, c, distance = self.step(_sum_with_product(gates, h, weight_hh), c)
            outputs.append(h)
            distances.append(distance.detach())
        return torch.stack(outputs), c, torch.stack(distances)

    def kernels(self, device: str) -> dict[str, str]:
        """The implementations of the time steps and the products, by name, on a type of device such as "cpu"."""
        if self.implementation == "fused" and device == "cpu":
            return implementations() | ({} if self.patterns is None else sparse.kernels(device))
        if self.implementation == "fused" and device == "cuda" and torch.cuda.is_available():
            here = torch.device(device, torch.cuda.current_device())
            if available.usable(self.cell, self.hidden_size, here):
                return available.implementations()
        return {"recurrent steps": "eager"}

    def extra_repr(self) -> str:
        """The arguments that `print` shows."""
        return f"{self.input_size}, {self.hidden_size}, weight_dropout={self.weight_dropout}"


# A sparse weight is multiplied from the left: torch takes several times as long for its transpose.


def _products(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """From x (T, B, features) and weight (R, features) to (T, B, R), with a bias (R,)."""
    if weight.layout is torch.strided:
        return nn.functional.linear(x, weight, bias)
    return (weight @ x.flatten(0, 1).t()).t().view(*x.shape[:2], len(bias)) + bias


def _sum_with_product(gates: Tensor, h: Tensor, weight: Tensor) -> Tensor:
    """gates (B, R) plus the product of h (B, H) with weight (R, H) transposed."""
    if weight.layout is torch.strided:
        return torch.addmm(gates, h, weight.t())
    return gates + (weight @ h.t()).t()


class RecurrentNet(nn.Module):
    """A stack of recurrent layers with locked dropout between them.

    Args:
        layers: the lowest first; each reads the output of the one below.
        dropout: locked dropout (one mask for all time steps) between layers; neither on the input nor on the output.

    Raises:
        UserError: there is no layer, or a dropout is outside [0, 1).
    """

    def __init__(self, layers: Sequence[RecurrentLayer], dropout: float) -> None:
        super().__init__()
        if not layers:
            raise UserError("layer_sizes is empty; a recurrent net needs a layer")
        probabilities = {"dropout": dropout, "weight_dropout": layers[0].weight_dropout}
        for name, p in probabilities.items():
            if not 0 <= p < 1:
                raise UserError(f"{name} is {p}; expected a probability in [0, 1)")
        self.layers: Sequence[RecurrentLayer] = nn.ModuleList(layers)  # type: ignore[assignment]
        self.dropout = dropout

    @property
    def input_size(self) -> int:
        """Features of the input."""
        return self.layers[0].input_size

    @property
    def output_size(self) -> int:
        """Features of the output."""
        return self.layers[-1].hidden_size

    @property
    def implementation(self) -> Implementation:
        """How all layers compute: "fused" (hand-written gradient, compiled steps) or "eager" (autograd)."""
        return self.layers[0].implementation

    @implementation.setter
    def implementation(self, value: Implementation) -> None:
        if value not in get_args(Implementation):
            raise ValueError(f"implementation is {value!r}; expected one of {', '.join(get_args(Implementation))}")
        for layer in self.layers:
            layer.implementation = value

    def reset_parameters(self) -> None:
        """Initialise all parameters anew from torch's global generator."""
        for layer in self.layers:
            layer.reset_parameters()

    def prunable_parameters(self) -> dict[str, Declared]:
        """Both weights of every layer: kinds "ih" and "hh", for rows of master gates "master_ih" and "master_hh"."""
        return {
            f"layers.{depth}.weight_{kind}": [(prefix + kind, rows) for prefix, rows in layer.prefixed_rows()]
            for depth, layer in enumerate(self.layers)
            for kind in ("ih", "hh")
        }

    def gated_weights(self) -> dict[str, GatedWeight]:
        """Which gates the rows of both weights of every layer belong to."""
        return {
            f"layers.{depth}.weight_{kind}": GatedWeight(
                gates=tuple(layer.gates()), units=layer.hidden_size, ranks=layer.ranks, recurrent=kind == "hh"
            )
            for depth, layer in enumerate(self.layers)
            for kind in ("ih", "hh")
        }

    def initial_state(self, batch_size: int) -> State:
        """A state of zeros: h and c, each one (B, H_l) tensor per layer."""
        zeros = [layer.bias_hh.new_zeros(batch_size, layer.hidden_size) for layer in self.layers]
        return zeros, list(zeros)

    def forward(self, input: Tensor, state: State | None = None) -> tuple[Tensor, State, Tensor]:
        """Read a sequence.

        Args:
            input: (T, B, input_size).
            state: h and c before the first step; zeros by default.

        Returns:
            The outputs of the last layer (T, B, H), without dropout; the state after the last step; and the syntactic
            distances (L, T, B), detached.

        Raises:
            ValueError: the input has another shape.
        """
        if input.dim() != 3 or input.size(-1) != self.input_size or not len(input):
            raise ValueError(f"input is {tuple(input.shape)}; expected (T, B, {self.input_size}) with T of 1 or more")
        hs, cs = self.initial_state(input.size(1)) if state is None else state
        x, last_h, last_c, distances = input, [], [], []
        for depth, layer in enumerate(self.layers):
            if depth:
                x = locked_dropout(x, self.dropout, training=self.training)
            x, h, c, distance = layer(x, hs[depth], cs[depth])
            last_h.append(h)
            last_c.append(c)
            distances.append(distance)
        return x, (last_h, last_c), torch.stack(distances)
