"""The adaptive softmax against its definition, written out in plain Python and float64."""

import math

import pytest
import torch
from torch import Tensor, nn

from app.common.errors import UserError
from app.nets.adaptive_softmax import AdaptiveSoftmax, TiedHead, automatic_cutoffs
from app.nets.decoder import log_probability_parts, make_decoder, mean_loss, own_weights, scores, tied_weight

D, V, CUTOFFS = 16, 30, [5, 12]


def embedding() -> nn.Embedding:
    torch.manual_seed(1)
    return nn.Embedding(V, D).double()


def made(*, tied: bool) -> AdaptiveSoftmax:
    decoder = make_decoder(D, embedding(), "adaptive", CUTOFFS, tied=tied).double()
    assert isinstance(decoder, AdaptiveSoftmax)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.normal_()
    return decoder


def log_softmax(values: list[float]) -> list[float]:
    most = max(values)
    total = most + math.log(sum(math.exp(value - most) for value in values))
    return [value - total for value in values]


def products(matrix: Tensor, vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix.tolist()]


def naive(decoder: AdaptiveSoftmax, hidden: Tensor) -> list[list[float]]:
    """log p of every word: of the head, or of its cluster plus of the word in the cluster."""
    head = decoder.head
    rows = torch.cat([head.weight[: CUTOFFS[0]], head.clusters]) if isinstance(head, TiedHead) else head.weight
    found = []
    for vector in hidden.tolist():
        values = products(rows, vector)
        first = log_softmax([value + bias for value, bias in zip(values, head.bias.tolist(), strict=True)])
        logs = first[: CUTOFFS[0]]
        for number, tail in enumerate(decoder.tail):
            projection, words = (layer.weight for layer in tail)
            assert projection.shape == (D // 4 ** (number + 1), D)
            inside = log_softmax(products(words, products(projection, vector)))
            logs += [first[CUTOFFS[0] + number] + value for value in inside]
        found.append(logs)
    return found


@pytest.mark.parametrize("tied", [True, False])
def test_equal_to_its_definition(tied: bool) -> None:
    decoder = made(tied=tied)
    draw = torch.Generator().manual_seed(2)
    hidden = torch.randn(7, D, dtype=torch.float64, generator=draw)
    expected = torch.tensor(naive(decoder, hidden), dtype=torch.float64)
    assert expected.shape == (7, V)
    torch.testing.assert_close(expected.exp().sum(1), torch.ones(7, dtype=torch.float64))
    torch.testing.assert_close(torch.cat(list(log_probability_parts(decoder, hidden))), expected, rtol=0, atol=1e-12)
    by_step = scores(decoder, hidden.view(7, 1, D))
    torch.testing.assert_close(by_step[:, 0], expected, rtol=0, atol=1e-12)
    targets = torch.tensor([0, 4, 5, 11, 12, 29, 3])
    loss = mean_loss(decoder, hidden, targets)
    torch.testing.assert_close(loss, -expected.gather(1, targets[:, None]).mean(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("tied", [True, False])
def test_every_weight_has_a_gradient_and_it_is_right(tied: bool) -> None:
    decoder = made(tied=tied)
    hidden = torch.randn(5, D, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)
    targets = torch.tensor([0, 1, 13, 4, 25])  # none of the first cluster
    mean_loss(decoder, hidden, targets).backward()
    gradients = {name: parameter.grad for name, parameter in decoder.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    assert not gradients["tail.0.1.weight"].any()
    assert gradients["tail.1.1.weight"].any()
    found = hidden.grad
    again = hidden.detach().requires_grad_()
    (-decoder.log_probabilities(again).gather(1, targets[:, None]).mean()).backward()
    torch.testing.assert_close(found, again.grad, rtol=0, atol=1e-12)


def test_only_the_head_is_tied() -> None:
    table = embedding()
    tied, own = (make_decoder(D, table, "adaptive", CUTOFFS, tied=tied) for tied in (True, False))
    assert tied_weight(tied, table) == "head.weight"
    assert tied_weight(own, table) is None
    tails = {f"tail.{cluster}.{layer}.weight" for cluster in (0, 1) for layer in (0, 1)}
    assert own_weights(tied, table).keys() == {"head.clusters"} | tails
    assert own_weights(own, table).keys() == {"head.weight"} | tails


def test_products_are_in_single_precision_under_autocast() -> None:
    decoder = made(tied=True).float()
    hidden, targets = torch.randn(6, D), torch.tensor([0, 7, 20, 1, 2, 29])
    expected = mean_loss(decoder, hidden, targets)
    with torch.autocast("cpu", torch.bfloat16):
        assert mean_loss(decoder, hidden, targets).equal(expected)
        assert mean_loss(decoder, hidden.bfloat16(), targets).dtype == torch.float32


@pytest.mark.parametrize(
    ("words", "features", "cutoffs"),
    [
        (250_000, 400, [2_500, 20_000, 75_000]),
        (33_278, 200, [333, 2_662, 9_983]),
        (1_000, 63, [10, 80]),
        (1_000, 4, [10]),
        (12, 100, [1, 4]),
        (2, 64, [1]),
    ],
)
def test_automatic_cutoffs(words: int, features: int, cutoffs: list[int]) -> None:
    assert automatic_cutoffs(words, features) == cutoffs
    decoder = AdaptiveSoftmax(features, words)
    assert decoder.cutoffs == [*cutoffs, words]


@pytest.mark.parametrize(
    ("features", "cutoffs", "reason"),
    [
        (16, [], r"softmax_cutoffs is \[\]; expected ascending numbers from 1 to 29"),
        (16, [5, 5], r"softmax_cutoffs is \[5, 5\]; expected ascending"),
        (16, [0, 5], "expected ascending"),
        (16, [5, 30], "expected ascending"),
        (15, [5, 12], r"2 clusters, the last of 15 / 4\^2 features, which is less than one"),
        (3, None, "30 words and 3 features has no cluster; expected 2 words and 4 features"),
    ],
)
def test_mistakes_are_one_line(features: int, cutoffs: list[int] | None, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        AdaptiveSoftmax(features, V, cutoffs)
    assert "\n" not in str(caught.value)


def test_cutoffs_are_for_an_adaptive_softmax() -> None:
    with pytest.raises(UserError, match="softmax_cutoffs is given, and softmax is dense; set softmax to adaptive"):
        make_decoder(D, embedding(), "dense", CUTOFFS, tied=False)
