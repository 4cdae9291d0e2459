"""The functions of the compiled library, on tensors."""

# B examples of a batch, C classes, E examples to evaluate.

import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from app.nets.compiled_library import CompiledLibrary, Sources

# Sums are written as they are made: without this flag the compiler would join other products to them.
SOURCES = Sources("feedforward", Path(__file__).parent / "csrc", "Feed-forward networks", ["-ffp-contract=off"])
# Multiplications that justify one more thread; the result is bitwise the same for any number of threads.
WORTH_A_THREAD = 2_000_000
WRONG_LABEL = -1.0  # in place of a loss: a label is no class
# Share of weights that may be other than 0, up to which those that are 0 are left out, and examples that justify it.
SPARSE, WORTH_LOOKING = 0.4, 1000
# Share of weights that survive up to which gradients are made of survivors alone. Above, the dense ones take less time.
SPARSE_GRADIENT = 0.15


class _Columns(ctypes.Structure):
    """As in feedforward.cpp."""

    _fields_ = [*((name, ctypes.c_void_p) for name in ("columns", "begins"))]


class _Layer(ctypes.Structure):
    """As in feedforward.cpp."""

    _fields_ = [
        *((name, ctypes.c_long) for name in ("inputs", "outputs")),
        *((name, ctypes.c_void_p) for name in ("weight", "bias", "d_weight", "d_bias", "first_weight", "first_bias")),
        *((name, ctypes.c_void_p) for name in ("second_weight", "second_bias", "kept")),
        *((name, _Columns) for name in ("forward", "backward", "gradient")),
    ]


class Rule(ctypes.Structure):
    """What a step does with gradients, as in feedforward.cpp."""

    _fields_ = [
        *((name, ctypes.c_long) for name in ("kind", "fused")),
        *((name, ctypes.c_double) for name in ("rate", "decay", "momentum", "damped", "nesterov", "first_time")),
        *((name, ctypes.c_double) for name in ("beta1_rest", "beta2", "beta2_rest", "eps", "step_size")),
        ("root_correction", ctypes.c_double),
    ]


GRADIENTS, SGD, ADAM, ADAMW = range(4)


class Pair(NamedTuple):
    """Tensors of a layer's weight and bias."""

    weight: Tensor
    bias: Tensor


@functools.cache
def library() -> CompiledLibrary | None:
    """The compiled library, built if necessary; None if that is not possible."""
    return SOURCES.library()


class Network:
    """A network as the library reads it: pointers to the tensors of its layers, which are kept alive.

    Args:
        layers: its linear layers, as `layers.usable` allows them.
        gradients: written by a step of kind `GRADIENTS`, of every layer.
        masks: bool, by the number of the layer, of the weights whose gradients are not 0. Masked weights are 0.
        first: the optimiser's first state of every layer: momentum, or the mean of the gradients.
        second: the mean of their squares.
    """

    def __init__(
        self,
        layers: Sequence[nn.Linear],
        *,
        gradients: Sequence[Pair] | None = None,
        masks: dict[int, Tensor] | None = None,
        first: Sequence[Pair] | None = None,
        second: Sequence[Pair] | None = None,
    ) -> None:
        self.precision = layers[0].weight.dtype
        self.classes = layers[-1].out_features
        self._work = sum(each.weight.numel() for each in layers)
        self._alive: list[object] = [layers, gradients, first, second]
        self._layers = (_Layer * len(layers))()
        for number, layer in enumerate(layers):
            to = self._layers[number]
            to.inputs, to.outputs = layer.in_features, layer.out_features
            to.weight, to.bias = layer.weight.data_ptr(), layer.bias.data_ptr()
            for name, pairs in (("d", gradients), ("first", first), ("second", second)):
                if pairs is not None:
                    setattr(to, f"{name}_weight", pairs[number].weight.data_ptr())
                    setattr(to, f"{name}_bias", pairs[number].bias.data_ptr())
            if masks is not None and number in masks:
                self._mask(to, masks[number].contiguous())
        name = str(self.precision).removeprefix("torch.")
        compiled = _library()
        self._step, self._logits = compiled[f"step_{name}"], compiled[f"logits_{name}"]
        self._step.restype, self._logits.restype = ctypes.c_double, None
        self._count = ctypes.c_long(len(layers))

    def step(self, images: Tensor, labels: Tensor, rule: Rule) -> tuple[float, Tensor]:
        """Compute a batch's gradients and do with them what the rule says.

        Args:
            images: (B, ...).
            labels: int64 (B,).
            rule: the optimiser's.

        Returns:
            The mean loss, and the logits (B, C) of before; `WRONG_LABEL` in place of the loss if a label is no class,
            and then nothing has been done.
        """
        images, labels = images.contiguous(), labels.contiguous()
        logits = images.new_empty(len(images), self.classes)
        loss = self._step(
            *(self._layers, self._count, ctypes.byref(rule)),
            *(ctypes.c_void_p(images.data_ptr()), ctypes.c_void_p(labels.data_ptr()), ctypes.c_long(len(images))),
            *(ctypes.c_void_p(logits.data_ptr()), ctypes.c_int(self._threads(len(images)))),
        )
        return loss, logits

    def logits(self, images: Tensor) -> Tensor:
        """The logits (E, C) of images (E, ...)."""
        images = images.contiguous()
        logits = images.new_empty(len(images), self.classes)
        self._logits(
            *(self._layers, self._count, ctypes.c_void_p(images.data_ptr()), ctypes.c_long(len(images))),
            *(ctypes.c_void_p(logits.data_ptr()), ctypes.c_int(self._threads(len(images)))),
        )
        return logits

    def leave_out_zeros(self) -> None:
        """Leave out weights that are 0 in `logits`, where there are many; the result is the same to the bit."""
        for to, layer in zip(self._layers, self._alive[0], strict=True):  # type: ignore[call-overload]
            self._find_forward(to, layer.weight.detach() != 0)

    def _threads(self, examples: int) -> int:
        return max(1, min(torch.get_num_threads(), self._work * examples // WORTH_A_THREAD))

    def _mask(self, to: _Layer, mask: Tensor) -> None:
        if mask.all():
            return
        rows, columns = mask.shape
        lanes = _library().lanes_of(ctypes.c_long(self.precision.itemsize))
        words = torch.empty(rows * -(-columns // lanes), dtype=torch.int16)
        _library().pack_kept(
            *(ctypes.c_void_p(mask.data_ptr()), ctypes.c_long(rows), ctypes.c_long(columns)),
            *(ctypes.c_long(self.precision.itemsize), ctypes.c_void_p(words.data_ptr())),
        )
        to.kept = words.data_ptr()
        self._alive.append(words)
        self._find_forward(to, mask)
        if int(mask.sum()) <= SPARSE_GRADIENT * mask.numel():
            to.backward = self._find_columns(mask.t().contiguous(), _library().block_columns())
            to.gradient = self._find_columns(mask, columns)

    def _find_forward(self, to: _Layer, kept: Tensor) -> None:
        if int(kept.sum()) <= SPARSE * kept.numel():
            to.forward = self._find_columns(kept, _library().block_columns())

    def _find_columns(self, kept: Tensor, block: int) -> _Columns:
        """The columns of what is kept (rows, columns), in blocks of at most so many columns."""
        rows, columns = kept.shape
        found = torch.empty(int(kept.sum()) + 1, dtype=torch.int16)
        begins = torch.empty(-(-columns // block) * rows + 1, dtype=torch.int32)
        _library().find_columns(
            *(ctypes.c_void_p(kept.data_ptr()), ctypes.c_long(rows), ctypes.c_long(columns), ctypes.c_long(block)),
            *(ctypes.c_void_p(found.data_ptr()), ctypes.c_void_p(begins.data_ptr())),
        )
        self._alive += [found, begins]
        return _Columns(found.data_ptr(), begins.data_ptr())


def _library() -> CompiledLibrary:
    found = library()
    assert found is not None
    return found
