"""The compiled library of the sparse layers; without a compiler these are computed as dense ones."""

import functools
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from app.nets.compiled_library import CompiledLibrary, Sources

NETS = Path(__file__).parents[1]
SOURCES = Sources(
    "sparse",
    Path(__file__).parent / "csrc",
    "Sparse layers",
    headers=[NETS / "feedforward" / "csrc", NETS / "fused" / "csrc"],
)
PRECISIONS = (torch.float32, torch.float64)
PLAIN = (Tensor, nn.Parameter)
STRIDED = torch.strided
# Private to torch. In a release without them, transforms raise their own error, and what watches functions does not see
# those of the compiled code.
_transforms_active: Callable[[], bool] = getattr(torch._C, "_are_functorch_transforms_active", lambda: False)
_tracing: Callable[[], bool] = getattr(torch._C, "_is_tracing", lambda: False)
_modes: Callable[[], int] = getattr(torch._C, "_len_torch_function_stack", lambda: 0)


@functools.cache
def library() -> CompiledLibrary | None:
    """The compiled library, built if necessary; None if that is not possible."""
    return SOURCES.library()


def undisturbed() -> bool:
    """Whether compiled code may be used: compilers, tracers, transforms and autocast need PyTorch's operations."""
    return not (
        torch.compiler.is_compiling()
        or _tracing()
        or _transforms_active()
        or _modes()
        or torch.is_autocast_enabled("cpu")
    )


def is_plain(tensor: Tensor, precision: torch.dtype) -> bool:
    """Whether the compiled code can read a tensor: a plain one on the CPU, of this precision."""
    return type(tensor) in PLAIN and tensor.dtype is precision and tensor.is_cpu and tensor.layout is STRIDED


def usable(*tensors: Tensor | None) -> bool:
    """Whether the compiled code can compute with these tensors, of which the first is there, here and now."""
    first = tensors[0]
    assert first is not None
    return (
        undisturbed()
        and library() is not None
        and first.dtype in PRECISIONS
        and all(each is None or is_plain(each, first.dtype) for each in tensors)
    )
