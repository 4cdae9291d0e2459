"""What sparse layers have in common: dense parameters, a pattern, and their survivors gathered once in evaluation."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from app.nets.sparse.build import library, usable
from app.nets.sparse.pattern import SparsePattern


class Gathered(NamedTuple):
    """The surviving weights, of one version of the weight.

    Args:
        version: as PyTorch counts.
        address: of its memory.
        weight: the same memory; as long as it is held, no other weight has its address.
        values: (count,), in the order of the pattern.
        rowwise: (count,), row by row.
    """

    version: int
    address: int
    weight: Tensor
    values: Tensor
    rowwise: Tensor


class SparseLayer(nn.Module):
    """A layer with a masked weight, on the survivors alone where the compiled code can compute it; else as it was.

    The weight stays the dense parameter that it was, whose masked entries are 0: optimisers, checkpoints and masks work
    with it as before. Its gradient is 0 where it is masked. Sums are made in another order than a dense layer makes
    them, so that results differ in rounding.

    In evaluation the survivors are gathered once for a weight, as long as it has no gradient and PyTorch counts no
    change of it; what is written through `weight.data` is not counted.
    """

    pattern: SparsePattern
    dense_class: type[nn.Module]
    _gathered: Gathered | None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_gathered": None}  # of this weight, not of a copy's

    def restore(self) -> None:
        """Make it the dense layer again that it was."""
        self.__class__ = self.dense_class  # type: ignore[assignment]
        del self.pattern, self._gathered, self.dense_class

    def kernels(self, device: str) -> dict[str, str]:
        """What computes sparse layers on a type of device."""
        return kernels(device)

    def forget(self) -> None:
        """Gather the survivors again: a gradient follows, and with it a change."""
        self._gathered = None

    def survivors(self, weight: Tensor, bias: Tensor | None) -> Gathered | None:
        """The surviving weights, without gradients; None if the compiled code cannot compute with these parameters."""
        found = self._gathered
        if (
            found is not None
            and found.address == weight.data_ptr()
            and found.version == weight._version
            and weight.grad is None
        ):
            return found
        if not usable(weight, bias) or (bias is not None and not bias.is_contiguous()):
            return None
        values = self.pattern.gather(weight)
        # Fused optimisers change a weight uncounted, but not without a gradient; of tensors made in inference mode
        # nothing is counted.
        lasting = not self.training and weight.grad is None and not weight.is_inference()
        version = weight._version if lasting else 0
        found = Gathered(version, weight.data_ptr(), weight.detach(), values, values[self.pattern.rowwise])
        self._gathered = found if lasting else None
        return found


def replaced(layer: nn.Module, mask: Tensor, by: type[SparseLayer]) -> SparseLayer:
    """Make a layer a sparse one, in place: the module, its parameters and its hooks stay what they are.

    Args:
        layer: whose class `by` is derived from, or which is of class `by` already.
        mask: bool, of the shape of its weight, True for survivors.
        by: the class that it gets.
    """
    if not isinstance(layer, SparseLayer):
        before = type(layer)
        layer.__class__ = by
        assert isinstance(layer, SparseLayer)
        layer.dense_class = before
    layer.pattern, layer._gathered = SparsePattern(mask), None
    return layer


def kernels(device: str) -> dict[str, str]:
    """What computes sparse layers on a type of device, by name."""
    compiled = library() if device == "cpu" and not torch.is_autocast_enabled("cpu") else None
    return {"sparse layers": "dense" if compiled is None else f"compiled {compiled.digest}"}
