"""In what precision float32 products and convolutions are computed: chosen by name, and measured.

What a name comes to depends on the processor or GPU and on torch's libraries, so the kernels of a run record what was
measured, and a name without effect is told.
"""

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

MatmulPrecision = Literal["highest", "high", "medium"]
ConvPrecision = Literal["default", "highest", "high", "medium"]
Shape: TypeAlias = tuple[int, ...]
Function: TypeAlias = Callable[[Tensor, Tensor], Tensor]

BACKENDS: Any = torch.backends  # whose attributes torch makes without declaring them
FLOAT32, TF32, BFLOAT16 = "float32", "TF32", "bfloat16"
PRODUCTS, CONVOLUTIONS = "float32 products", "float32 convolutions"

# By the names that torch has for them: on the CPU, of oneDNN, and on a GPU, which has no bfloat16 for float32 tensors.
CONV = {"default": ("none", "tf32"), "highest": ("ieee", "ieee"), "high": ("tf32", "tf32"), "medium": ("bf16", "tf32")}
# Relative errors of a product: float32 has 24 bits, TF32 11 and bfloat16 8, so these are near 1e-7, 3e-4 and 2e-3.
LEAST_OF_TF32, LEAST_OF_BFLOAT16 = 1e-5, 8e-4
# Of a product and a convolution, large enough for oneDNN to be used.
LINEAR: tuple[Shape, Shape] = ((64, 64), (64, 64))
CONV2D: tuple[Shape, Shape] = ((8, 16, 8, 8), (16, 16, 3, 3))


def choose(matmul: MatmulPrecision, conv: ConvPrecision) -> None:
    """Use these in this process. `default` convolutions are torch's own: float32 on the CPU, TF32 on a GPU."""
    torch.set_float32_matmul_precision(matmul)
    on_cpu, on_gpu = CONV[conv]
    BACKENDS.mkldnn.conv.fp32_precision = on_cpu
    BACKENDS.cudnn.conv.fp32_precision = on_gpu


def warn_without_effect(
    matmul: MatmulPrecision, conv: ConvPrecision, device: torch.device, compiled: Sequence[str] = ()
) -> None:
    """Warn of each choice that asks for less than float32 where it makes no difference.

    Args:
        matmul: the precision of products.
        conv: that of convolutions.
        device: what computes.
        compiled: the parts of the model that compiled code computes, which is always in float32.
    """
    what = "GPU" if device.type == "cuda" else "processor"
    for option, name, kind in (
        ("matmul_precision", matmul, PRODUCTS),
        ("conv_precision", conv, CONVOLUTIONS),
    ):
        if name in ("high", "medium") and measured(device)[kind] == FLOAT32:
            stays = f"{kind} stay in float32, as with highest"
            warnings.warn(f"--{option} {name} has no effect on this {what} with this torch: {stays}", stacklevel=2)
        elif name in ("high", "medium") and kind == PRODUCTS and compiled:
            told = f"--{option} {name} has no effect on {' and '.join(compiled)}: compiled code computes in float32"
            warnings.warn(told, stacklevel=2)


def measured(device: torch.device) -> dict[str, str]:
    """In what precision the CPU or a GPU computes float32 products and convolutions now; empty for other devices."""
    if device.type not in ("cpu", "cuda"):
        return {}
    products, convolutions = (
        (BACKENDS.mkldnn.matmul, BACKENDS.mkldnn.conv)
        if device.type == "cpu"
        else (BACKENDS.cuda.matmul, BACKENDS.cudnn.conv)
    )
    return {
        PRODUCTS: _measured(F.linear, LINEAR, device, products.fp32_precision),
        CONVOLUTIONS: _measured(F.conv2d, CONV2D, device, convolutions.fp32_precision),
    }


@functools.cache
def _measured(function: Function, shapes: tuple[Shape, Shape], device: torch.device, _setting: str) -> str:
    """The precision that the error of a function of two tensors shows; each setting is measured once."""
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64).float() for shape in shapes]
    right = function(*(each.double() for each in tensors))
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        found = function(*(each.to(device) for each in tensors)).cpu().double()
    error = float((found - right).norm() / right.norm())
    return FLOAT32 if error < LEAST_OF_TF32 else TF32 if error < LEAST_OF_BFLOAT16 else BFLOAT16
