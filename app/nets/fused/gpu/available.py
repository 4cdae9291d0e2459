"""Whether the GPU kernels can be used: they are tried once on each kind of cell, and used only if they are right."""

import functools
import logging
import os
from contextlib import ExitStack

import torch
from torch import Tensor

from app.common import gpu_kernels
from app.nets.fused.cells import Cell

log = logging.getLogger(__name__)

# Entries of the tile of one program: units of a row, padded to powers of two. Larger ones would not fit registers.
LARGEST_TILE = 8192
OLDEST = (8, 0)  # compute capability; older cards have no bfloat16 products
TOLERANCE = 1e-4  # of the trial, relative


def usable(cell: Cell, hidden_size: int, device: torch.device) -> bool:
    """Whether the kernels support a layer of this size, and work on this device.

    Where they do not, one line is logged, and the layer computes eagerly.
    """
    if device.type != "cuda":
        return False
    chunk = cell.chunk_size
    if chunk and _power_of_two(hidden_size // chunk) * _power_of_two(chunk) > LARGEST_TILE:
        return False
    return works(bool(chunk), device)


def _power_of_two(size: int) -> int:
    return 1 << (size - 1).bit_length()


def works(has_chunks: bool, device: torch.device) -> bool:
    """Whether the kernels of one kind of cell are switched on and work on this GPU."""
    return gpu_kernels.chosen() and tried(has_chunks, device)


def implementations() -> dict[str, str]:
    """What a layer computes with on a GPU where the kernels are used."""
    import triton

    return {"recurrent steps": f"Triton {triton.__version__}", "recurrent products": "cuBLAS"}


@functools.cache
def tried(has_chunks: bool, device: torch.device) -> bool:
    """Compile the kernels, and compare a short sequence with the eager layer."""
    try:
        reason = _reason(has_chunks, device)
    except Exception as error:  # a missing compiler, an unknown card, a Triton that has changed: all mean the same
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
    if reason:
        log.warning(
            "The recurrent layers run eagerly on %s, more slowly: %s", torch.cuda.get_device_name(device), reason
        )
    return not reason


def _reason(has_chunks: bool, device: torch.device) -> str:
    """Why the kernels cannot be used; empty if they can."""
    capability = torch.cuda.get_device_capability(device)
    if capability < OLDEST:
        return f"compute capability {capability[0]}.{capability[1]}; the kernels need 8.0"
    try:
        from app.nets.fused.gpu import sequence
    except ImportError as error:
        return f"no Triton ({error})"
    from app.nets.lstm import LSTMLayer
    from app.nets.on_lstm import ONLSTMLayer

    log.info("Compiling the recurrent layers' GPU kernels, once for this machine, to %s", _cache())
    plain = torch.inference_mode(False), torch.enable_grad(), torch.autocast("cuda", enabled=False)
    with torch.random.fork_rng([device]), ExitStack() as contexts:
        for context in plain:
            contexts.enter_context(context)
        torch.manual_seed(0)
        layer = (ONLSTMLayer(6, 20, 5) if has_chunks else LSTMLayer(6, 20)).to(device)
        x = torch.randn(3, 2, 6, device=device)
        h, c = torch.randn(2, 2, 20, device=device)
        tensors = x, layer.weight_ih, layer.bias_ih + layer.bias_hh, layer.weight_hh, h, c
        leaves = [one.detach().requires_grad_() for one in tensors]
        ours = sequence.read(layer.cell, layer.read_eagerly, torch.float32, *leaves)
        its = layer.read_eagerly(*leaves)
        pairs = list(zip(ours, its, strict=True))
        gradients = [torch.autograd.grad(o.square().sum() + c.square().sum(), leaves) for o, c, _ in (ours, its)]
        pairs += zip(*gradients, strict=True)
        worst = max(_error(mine, its) for mine, its in pairs)
    # TF32 products, where they are chosen, have larger errors than float32's.
    exact = torch.backends.cuda.matmul.fp32_precision in ("none", "ieee")
    tolerance = TOLERANCE if exact else 100 * TOLERANCE
    return "" if worst < tolerance else f"a trial differs from the eager layer by {worst:.1e}"


def _error(found: Tensor, expected: Tensor) -> float:
    error = ((found - expected).norm() / expected.norm().clamp_min(1e-30)).item()
    return error if error == error else float("inf")


def _cache() -> str:
    return os.environ.get("TRITON_CACHE_DIR", os.path.expanduser("~/.triton/cache"))
