"""The dropouts: what becomes 0, where masks are shared, and what happens in evaluation."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from app.nets.dropout import drop_weight, embed, locked_dropout

P = 0.4


def random(*size: int) -> Tensor:
    return torch.rand(*size, dtype=torch.float64) + 0.5


def share_of_zeros(x: Tensor) -> float:
    return (x == 0).double().mean().item()


def test_a_locked_mask_holds_at_all_times_and_for_one_sequence() -> None:
    torch.manual_seed(0)
    x = random(7, 40, 50)
    mask = locked_dropout(x, P, training=True) / x
    assert mask.shape == x.shape
    torch.testing.assert_close(mask, mask[:1].expand_as(mask))
    zeros, others = mask[0][mask[0] == 0], mask[0][mask[0] != 0]
    torch.testing.assert_close(others, torch.full_like(others, 1 / (1 - P)))
    assert share_of_zeros(mask[0]) == pytest.approx(P, abs=0.05)
    assert len(zeros)
    assert len(mask[0].unique(dim=0)) == 40, "the sequences share a mask"
    assert not locked_dropout(x, P, training=True).equal(locked_dropout(x, P, training=True))


def test_a_word_is_dropped_wherever_it_occurs() -> None:
    torch.manual_seed(1)
    weight = random(300, 3)
    tokens = torch.arange(300).repeat_interleave(4)[torch.randperm(1200)].view(30, 40)
    factors = embed(tokens, weight, P, training=True) / F.embedding(tokens, weight)
    by_word = [factors[tokens == word] for word in range(300)]
    dropped = [bool((factor == 0).all()) for factor in by_word]
    for factor, gone in zip(by_word, dropped, strict=True):
        torch.testing.assert_close(factor, torch.full_like(factor, 0 if gone else 1 / (1 - P)))
    assert sum(dropped) / 300 == pytest.approx(P, abs=0.08)


def test_embedding_is_a_table_with_rows_struck_out_and_so_is_its_gradient() -> None:
    weight, tokens = random(6, 3).requires_grad_(), torch.tensor([[0, 5, 2], [2, 2, 4]])
    weighting = random(2, 3, 3)
    torch.manual_seed(2)
    found = embed(tokens, weight, P, training=True)
    torch.manual_seed(2)
    mask = torch.empty(6, 1, dtype=torch.float64).bernoulli_(1 - P) / (1 - P)
    right = F.one_hot(tokens, 6).double() @ (weight * mask)
    torch.testing.assert_close(found, right, rtol=0, atol=1e-15)
    gradients = [torch.autograd.grad((x * weighting).sum(), weight)[0] for x in (found, right)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-15)


@pytest.mark.parametrize(("inverted", "in_training", "in_evaluation"), [(False, 1.0, 1 - P), (True, 1 / (1 - P), 1.0)])
def test_drop_connect(inverted: bool, in_training: float, in_evaluation: float) -> None:
    weight = random(60, 50).requires_grad_()
    torch.manual_seed(3)
    found = drop_weight(weight, P, training=True, inverted=inverted)
    torch.manual_seed(3)
    mask = torch.empty(60, 50, dtype=torch.float64).bernoulli_(1 - P)
    torch.testing.assert_close(found, weight * mask * in_training, rtol=1e-15, atol=0)
    torch.testing.assert_close(torch.autograd.grad(found.sum(), weight)[0], mask * in_training, rtol=1e-15, atol=0)
    assert share_of_zeros(found) == pytest.approx(P, abs=0.04)
    evaluated = drop_weight(weight, P, training=False, inverted=inverted)
    torch.testing.assert_close(evaluated, weight * in_evaluation, rtol=1e-15, atol=0)


@pytest.mark.parametrize("autocast", [False, True])
def test_of_a_ticket_the_share_of_survivors_is_dropped_and_no_pruned_weight_returns(autocast: bool) -> None:
    torch.manual_seed(4)
    mask = torch.rand(200, 150) < 0.1
    weight = (torch.rand(200, 150) + 0.5) * mask
    # With fast products in bfloat16 another generator draws.
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = drop_weight(weight, P, training=True)
    assert not found[~mask].any()
    assert share_of_zeros(found[mask]) == pytest.approx(P, abs=0.04)


@pytest.mark.parametrize("inverted", [False, True])
def test_the_default_is_the_authors(inverted: bool) -> None:
    weight = torch.ones(4, 4)
    same = drop_weight(weight, P, training=False).equal(drop_weight(weight, P, training=False, inverted=inverted))
    assert same is not inverted


DROPOUTS: dict[str, Callable[..., Tensor]] = {
    "locked": lambda p, training: locked_dropout(torch.ones(3, 2, 4), p, training=training),
    "embedding": lambda p, training: embed(torch.zeros(3, 2).long(), torch.ones(2, 4), p, training=training),
    "weight, inverted": lambda p, training: drop_weight(torch.ones(3, 4), p, training=training, inverted=True),
    "weight": lambda p, training: drop_weight(torch.ones(3, 4), p, training=training) / (1 if training else 1 - p),
}


@pytest.mark.parametrize("which", DROPOUTS)
@pytest.mark.parametrize(("p", "training"), [(0.0, True), (0.0, False), (P, False)])
def test_where_nothing_is_dropped_nothing_is_drawn(which: str, p: float, training: bool) -> None:
    before = torch.get_rng_state()
    torch.testing.assert_close(DROPOUTS[which](p, training).unique(), torch.ones(1))
    assert torch.get_rng_state().equal(before)
