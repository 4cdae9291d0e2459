"""Softmax over a large vocabulary and its loss, computed in blocks of rows to save memory.

What computes it is the compiled library where there is one; else the functions here, with products by oneDNN.
"""

# N predictions, D features, V words.

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from app.nets.fused import bf16, bf16_softmax, compiled_softmax
from app.nets.fused.build import library_digest
from app.nets.fused.gpu import available
from app.nets.fused.products import onednn, product
from app.nets.fused.saved_gradients import scaled_gradients

# Rows of a block: their scores take ten megabytes for 10,000 words, which fits a processor's cache; with fewer rows,
# adding up the blocks' gradients of the weight would cost more.
ROWS = 256
MOST_SCORES = ROWS << 15  # of a block without gradients: fewer rows where there are more than 32,768 words


def softmax_loss(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of `linear(hidden, weight, bias)`, equal to `F.cross_entropy`, in blocks of rows.

    On the CPU the gradient is computed together with the loss, while the scores of a block are still in the cache; on a
    GPU in place of the scores. Under autocast the products are of bfloat16, where the processor has fast ones, and the
    scores in float32. There is no second derivative. On other devices and in half precision, `F.cross_entropy` is
    called.

    Args:
        hidden: (N, D).
        weight: (V, D).
        bias: (V,).
        targets: int64 (N,).

    Returns:
        A scalar, in nats per prediction.
    """
    tensors = (hidden, weight, bias)
    if hidden.is_cuda and torch.is_grad_enabled() and not torch.compiler.is_compiling():
        outer = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else torch.float32
        floats = weight.dtype == bias.dtype == torch.float32 and hidden.dtype in (torch.float32, outer)
        if floats and outer in (torch.float32, torch.bfloat16) and available.works(True, hidden.device):
            from app.nets.fused.gpu import softmax  # needs Triton, which torch has only where it supports a GPU

            return softmax.loss(hidden, weight, bias, targets, outer)
    if _mixed(hidden, weight, bias):
        if bf16.instructions():
            if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
                return bf16_softmax.loss(hidden, weight, bias, targets)
            return bf16_softmax.losses(hidden, weight, bias, targets).double().mean().float()
        if bf16.outer_precision() == torch.float32:
            with torch.autocast("cpu", enabled=False):
                return softmax_loss(hidden.float(), weight, bias, targets)
    plain = hidden.device.type != "cpu" or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling()
    # Below single precision, sums over many blocks would lose digits.
    exact = {tensor.dtype for tensor in tensors} in ({torch.float32}, {torch.float64})
    if plain or not exact:
        return F.cross_entropy(F.linear(hidden, weight, bias), targets)
    wants_gradients = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    if compiled_softmax.usable(*tensors, targets):
        if wants_gradients:
            return compiled_softmax.loss(hidden, weight, bias, targets)
        return compiled_softmax.losses(hidden, weight, bias, targets).double().mean().to(hidden.dtype)
    if wants_gradients:
        loss: Tensor = _Loss.apply(hidden, weight, bias, targets)  # type: ignore[no-untyped-call]
        return loss
    parts = zip(torch.split(hidden, ROWS), torch.split(targets, ROWS), strict=True)
    return _mean(
        [F.cross_entropy(product(rows, weight, bias), words, reduction="sum") for rows, words in parts], hidden
    )


def implementations(device: str) -> dict[str, str]:
    """By what `softmax_loss` computes on a type of device, such as "cpu", under the autocast that is active."""
    autocast = device in ("cpu", "cuda") and torch.is_autocast_enabled(device)
    if device == "cpu" and autocast and torch.get_autocast_dtype(device) == torch.bfloat16:
        if instructions := bf16.instructions():
            return {"softmax": f"bfloat16 by {instructions}"}
        autocast = bf16.outer_precision() != torch.float32
    if device == "cpu" and not autocast:
        if compiled_softmax.available(torch.float32):
            return {"softmax": f"compiled {library_digest()}"}
        return {"softmax": f"blocks of {ROWS} rows, {'PyTorch' if onednn() is None else 'oneDNN'}"}
    supported = device == "cuda" and (not autocast or torch.get_autocast_dtype(device) == torch.bfloat16)
    here = torch.device(device, torch.cuda.current_device()) if supported and torch.cuda.is_available() else None
    if here is not None and available.works(True, here):
        return {"softmax": available.implementations()["recurrent steps"]}
    return {"softmax": "PyTorch"}


def log_softmax_parts(hidden: Tensor, weight: Tensor, bias: Tensor) -> Iterator[Tensor]:
    """The log softmax of `linear(hidden, weight, bias)` in blocks of rows, without gradients.

    Args:
        hidden: (N, D).
        weight: (V, D).
        bias: (V,).

    Yields:
        Blocks (n, V), in nats; n is `block_rows(V)`, and less for the last block.
    """
    size = block_rows(len(weight))
    if _mixed(hidden, weight, bias) and bf16.instructions():
        panels, (words, features) = bf16.panels_of_transpose(weight), weight.shape
        for rows in torch.split(hidden, size):
            yield bf16.product(bf16.rows(rows), panels, features, words, bias).log_softmax(1)
        return
    linear = product if hidden.device.type == "cpu" else F.linear
    for rows in torch.split(hidden, size):
        yield linear(rows, weight, bias).log_softmax(1)


def block_rows(words: int) -> int:
    """Rows of a block of scores that are computed without gradients, so that it takes 34 MB or less in float32."""
    return max(1, min(ROWS, MOST_SCORES // words))


def _mixed(hidden: Tensor, weight: Tensor, bias: Tensor) -> bool:
    """Whether autocast on the CPU asks for products of bfloat16."""
    return (
        hidden.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and not torch.compiler.is_compiling()
        and hidden.dtype in (torch.float32, torch.bfloat16)
        and weight.dtype == bias.dtype == torch.float32
    )


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        d_hidden, d_bias = torch.empty_like(hidden), torch.zeros_like(bias)
        d_transposed = weight.new_zeros(weight.shape[::-1])  # in the layout of oneDNN's result, so that adding is fast
        losses = []
        parts = zip(*(torch.split(tensor, ROWS) for tensor in (hidden, targets, d_hidden)), strict=True)
        for rows, words, d_rows in parts:
            logs = product(rows, weight, bias).log_softmax(1)
            at_targets = words.unsqueeze(1)
            losses.append(-logs.gather(1, at_targets).sum())
            # The gradient with respect to the scores: the probabilities, minus 1 at the target.
            d_scores = logs.exp_()
            d_scores.scatter_add_(1, at_targets, d_scores.new_full(at_targets.shape, -1.0))
            d_rows.copy_(product(d_scores, weight.t()))
            d_transposed.add_(product(rows.t(), d_scores.t()))
            d_bias.add_(d_scores.sum(0))
        d_weight = d_transposed.t().contiguous()
        ctx.save_for_backward(*(gradient.div_(len(hidden)) for gradient in (d_hidden, d_weight, d_bias)))
        return _mean(losses, hidden)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        return scaled_gradients(ctx, d_loss)


def _mean(sums: list[Tensor], hidden: Tensor) -> Tensor:
    """Mean from the sums of all blocks, added in double precision so that their number does not matter."""
    total = torch.stack(sums).double().sum() / len(hidden)
    return total.to(hidden.dtype)
