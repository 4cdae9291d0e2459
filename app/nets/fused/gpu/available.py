"""Whether the GPU kernels can be used: they are tried once for each kind of cell, and used only if they are right."""

import functools
import logging
import os
from contextlib import ExitStack

import torch
import torch.nn.functional as F
from torch import Tensor

from app.common import gpu_kernels
from app.nets.fused.cells import Cell

log = logging.getLogger(__name__)

# Entries of the tile of one program: units of a row, padded to powers of two. Larger ones would not fit registers.
LARGEST_TILE = 8192
OLDEST = (8, 0)  # compute capability; older cards have no bfloat16 products
TOLERANCE, BF16_TOLERANCE = 1e-4, 0.05  # of the trial, relative


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
        import triton  # noqa: F401
    except ImportError as error:
        return f"no Triton ({error})"
    log.info("Compiling the recurrent layers' GPU kernels, once for this machine, to %s", _cache())
    exact, rounded = trial(has_chunks, device)
    # TF32 products, where they are chosen, have larger errors than float32's.
    limit = TOLERANCE if torch.backends.cuda.matmul.fp32_precision in ("none", "ieee") else 100 * TOLERANCE
    for found, most in ((exact, limit), (rounded, BF16_TOLERANCE)):
        if not found < most:
            return f"a trial differs from the eager layer by {found:.1e}"
    return ""


def trial(has_chunks: bool, device: torch.device) -> tuple[float, float]:
    """Compare a short sequence with the eager layer and, for cells with chunks, a loss with torch's.

    Args:
        has_chunks: which kind of cell.
        device: where.

    Returns:
        The largest relative error of an output or gradient with float32 products, and with bfloat16 products.
    """
    from app.nets.fused.gpu import sequence, softmax
    from app.nets.fused.gpu.steps import on
    from app.nets.lstm import LSTMLayer
    from app.nets.on_lstm import ONLSTMLayer

    plain = on(device), torch.inference_mode(False), torch.enable_grad(), torch.autocast(device.type, enabled=False)
    with torch.random.fork_rng([device] if device.type == "cuda" else []), ExitStack() as contexts:
        for context in plain:
            contexts.enter_context(context)
        torch.manual_seed(0)
        layer = (ONLSTMLayer(6, 20, 5) if has_chunks else LSTMLayer(6, 20)).to(device)
        h, c = torch.randn(2, 2, 20, device=device)
        tensors = torch.randn(3, 2, 6, device=device), layer.weight_ih, layer.bias_ih + layer.bias_hh, layer.weight_hh
        inputs = [one.detach().requires_grad_() for one in (*tensors, h, c)]
        outputs, last, distances = layer.read_eagerly(*inputs)
        right = [outputs, last, distances, *_gradients(outputs.square().sum() + last.square().sum(), inputs)]
        hidden, weight, bias = (
            torch.randn(shape, device=device, requires_grad=True) for shape in ((3, 6), (11, 6), (11,))
        )
        scores = [hidden, weight, bias]
        targets = torch.tensor([0, 10, 4], device=device)
        if has_chunks:
            loss = F.cross_entropy(F.linear(hidden, weight, bias), targets)
            right += [loss, *_gradients(loss, scores)]
        worst = []
        for kind in (torch.float32, torch.bfloat16):
            outputs, last, distances = sequence.read(layer.cell, layer.read_eagerly, kind, *inputs)
            found = [outputs, last, distances, *_gradients(outputs.square().sum() + last.square().sum(), inputs)]
            if has_chunks:
                loss = softmax.loss(hidden, weight, bias, targets, kind)
                found += [loss, *_gradients(loss, scores)]
            worst.append(max(_error(mine, its) for mine, its in zip(found, right, strict=True)))
    return worst[0], worst[1]


def _gradients(value: Tensor, of: list[Tensor]) -> list[Tensor]:
    return list(torch.autograd.grad(value, of))


def _error(found: Tensor, expected: Tensor) -> float:
    error = ((found - expected).norm() / expected.norm().clamp_min(1e-30)).item()
    return error if error == error else float("inf")


def _cache() -> str:
    return os.environ.get("TRITON_CACHE_DIR", os.path.expanduser("~/.triton/cache"))
