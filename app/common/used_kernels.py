"""What the bits of a training depend on besides its configuration, its data and torch's threads."""

import re
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from app.common.float32_precision import measured
from app.common.kernel_sets import LIBRARIES
from app.common.processor import instruction_set
from app.common.protocols import WithKernels

LOWER_PRECISION = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def kernels(module: nn.Module, device: torch.device, precision: str = "32-true") -> dict[str, str]:
    """What computes a training, by name.

    That is the processor or GPU, the libraries, the precision in which float32 is multiplied, and the implementations
    that the submodules declare.

    Args:
        module: what is trained.
        device: where.
        precision: a Trainer's; submodules are asked under the autocast that they are trained in.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    found = {device.type: instruction_set() if device.type == "cpu" else name, LIBRARIES: libraries(device.type)}
    found |= measured(device)
    with _autocast(device.type, precision):
        for each in module.modules():
            if isinstance(each, WithKernels):
                found |= each.kernels(device.type)
    return found


def stacked_kernels(module: nn.Module, device: torch.device, precision: str) -> dict[str, str]:
    """The same of networks that are trained at once: what submodules would do by compiled code is PyTorch's there."""
    plain = kernels(nn.Module(), device, precision)
    return {name: plain.get(name, "PyTorch") for name in kernels(module, device, precision)}


def _autocast(device: str, precision: str) -> AbstractContextManager[Any]:
    lower = LOWER_PRECISION.get(precision)
    return nullcontext() if lower is None or device not in ("cpu", "cuda") else torch.autocast(device, dtype=lower)


def libraries(device: str) -> str:
    """The versions of torch and of what it computes with on a type of device, such as "torch=2.13.0 oneDNN=3.12.0"."""
    found = {"torch": str(torch.__version__)}
    if device == "cuda":
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        found |= {"CUDA": str(torch.version.cuda), "cuDNN": str(cudnn)}
    else:
        told = torch.__config__.show()
        for library, pattern in (("MKL", r"Math Kernel Library Version (\S+?)-"), ("oneDNN", r"MKL-DNN v(\S+)")):
            if match := re.search(pattern, told):
                found[library] = match[1]
    return " ".join(f"{library}={version}" for library, version in found.items())
