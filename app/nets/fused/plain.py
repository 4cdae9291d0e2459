"""Which tensors compiled code can take."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

# Private to torch; in a release without it, function transforms raise their own error.
_transforms_active: Callable[[], bool] = getattr(torch._C, "_are_functorch_transforms_active", lambda: False)


def are_plain(*tensors: Tensor) -> bool:
    """Whether these are plain strided tensors on one device, and only autograd wants to know what is done with them.

    Compilers, tracers, forward derivatives and function transforms need the operations of PyTorch.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or _transforms_active():  # type: ignore[attr-defined, no-untyped-call]
        return False
    return all(
        type(each) in (Tensor, nn.Parameter)
        and each.layout is torch.strided
        and each.device == tensors[0].device
        and forward_ad.unpack_dual(each).tangent is None  # type: ignore[no-untyped-call]
        for each in tensors
    )
