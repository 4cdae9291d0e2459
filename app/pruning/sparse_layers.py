"""Masked layers that compute with their surviving weights alone, for a while."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from app.nets.break_even import measured_limits
from app.nets.sparse import kernels as sparse_kernels
from app.nets.sparsify import KINDS, densify, sparsify

__all__ = ["KINDS", "densify", "measured_limits", "sparse_kernels", "sparse_layers", "sparsify"]


@contextmanager
def sparse_layers(
    module: nn.Module, masks: Mapping[str, Tensor], limits: Mapping[str, float], spared: Collection[nn.Module] = ()
) -> Iterator[list[str]]:
    """Let masked layers be sparse within this context, and dense again after it; see `sparsify`.

    Yields:
        The names of the sparse layers.
    """
    try:
        yield sparsify(module, masks, limits, spared)
    finally:
        densify(module)
