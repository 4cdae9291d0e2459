"""The Triton kernel of softmax, loss and their gradient."""

import triton
import triton.language as tl


@triton.jit
def softmax_gradient(scores, targets, losses, stride, words: tl.constexpr, size: tl.constexpr):
    """Row n of scores (N, stride) becomes softmax minus 1 at its target, and losses[n] its cross-entropy in nats.

    For a target that is no word, both are nan.
    """
    row = tl.program_id(0).to(tl.int64)
    scores += row * stride
    target = tl.load(targets + row)
    known = (target >= 0) & (target < words)
    at_target = tl.load(scores + target, mask=known, other=float("nan")).to(tl.float32)
    greatest = tl.full((size,), float("-inf"), tl.float32)
    total = tl.zeros((size,), tl.float32)
    for start in range(0, words, size):
        word = start + tl.arange(0, size)
        score = tl.load(scores + word, mask=word < words, other=float("-inf")).to(tl.float32)
        higher = tl.maximum(greatest, score)
        # Two -inf would give nan: such an entry has added nothing yet.
        total = tl.where(higher > float("-inf"), total * tl.exp(greatest - higher) + tl.exp(score - higher), total)
        total = tl.where(score != score, score, total)
        greatest = higher
    highest = tl.max(greatest, 0)
    total_all = tl.sum(tl.where(greatest > float("-inf"), total * tl.exp(greatest - highest), total), 0)
    tl.store(losses + row, tl.log(total_all) + highest - at_target)
    for start in range(0, words, size):
        word = start + tl.arange(0, size)
        score = tl.load(scores + word, mask=word < words, other=float("-inf")).to(tl.float32)
        gradient = tl.exp(score - highest) / total_all - tl.where(word == target, 1.0, 0.0)
        gradient = tl.where(known, gradient, float("nan"))
        tl.store(scores + word, gradient.to(scores.dtype.element_ty), mask=word < words)
