"""Scores by hand for a network of two layers, and against the rules of the published implementations."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import FEATURES, TinyModule, TinyNet
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.func import functional_call

from app.common.errors import UserError
from app.common.states import plain_state
from app.pruning import Score, collapsed, dense_masks, keep, survivors
from app.pruning.scores import (
    SCORES,
    SNIP,
    GraSP,
    Inverted,
    Magnitude,
    MagnitudeIncrease,
    Movement,
    Random,
    SameSign,
    SynFlow,
)
from app.pruning.second_order import DividedLogits
from callbacks.loss_gradients import LossGradients
from callbacks.ticket import Ticket

FIRST, SECOND = "first.weight", "second.weight"


class TwoLayers(LightningModule):
    """y = W2 relu(W1 x), with the loss (y - t)^2 / 2; x is (1, 2), t is -5, so that y is -6 and one unit is idle."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False)
        self.first.weight.data = torch.tensor([[1.0, -1.0], [2.0, 0.5]])
        self.second.weight.data = torch.tensor([[3.0, -2.0]])

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x)))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return (self(batch[0]) - batch[1]).square().sum() / 2


POINT = (torch.tensor([[1.0, 2.0]]), torch.tensor([[-5.0]]))


def scored(score: Score, module: LightningModule, batch: Any, masks: dict[str, Tensor] | None = None) -> Any:
    weights = {name: value for name, value in module.named_parameters() if value.ndim > 1}
    masks = masks or dense_masks(weights)
    return score(weights, plain_state(module), masks, LossGradients(module, lambda: batch, masks))


@pytest.mark.parametrize(
    ("score", "first", "second"),
    [
        (Magnitude(), [[1, 1], [2, 0.5]], [[3, 2]]),
        # dL/dW2 = (y - t) h = -(0, 3); dL/dW1 = (y - t) w2 x = 2 (1, 2) for the unit that is not idle.
        (SNIP(), [[0, 0], [4, 2]], [[0, 6]]),
        # With a = w1 x = 3 and y = w2 a: g = (-3; 2, 4) for w2 and w1; H = a^2 = 9, w2 a + (y - t) = -7 times x, and
        # w2^2 = 4 times x x'; so Hg = (-97; 61, 122).
        (GraSP(temperature=1), [[0, 0], [122, 61]], [[0, 194]]),
        # |W1| 1 = (2, 2.5); R = 3 * 2 + 2 * 2.5 = 11, which is the sum of each layer.
        (SynFlow(), [[3, 3], [4, 1]], [[6, 5]]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Score) else "",
)
def test_two_layers_by_hand(score: Score, first: Any, second: Any) -> None:
    found = scored(score, TwoLayers(), POINT)
    assert torch.allclose(found[FIRST].double(), torch.tensor(first).double())
    assert torch.allclose(found[SECOND].double(), torch.tensor(second).double())
    inverted = scored(Inverted(score), TwoLayers(), POINT)
    assert all(inverted[name].equal(-found[name]) for name in (FIRST, SECOND))


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (MagnitudeIncrease(), [1.0, -1.0, 2.0, -0.5]),
        (Movement(), [1.0, 3.0, 4.0, 0.5]),
        (SameSign(), [2.0, 0.0, 0.0, 0.0]),
    ],
)
def test_what_training_did_by_hand(score: Score, expected: list[float]) -> None:
    start = {"w": torch.tensor([-1.0, 2.0, -1.0, 0.5]), "b": torch.ones(1)}
    trained = {"w": torch.tensor([-2.0, -1.0, 3.0, 0.0])}
    assert score(trained, start, dense_masks(trained), dict)["w"].tolist() == expected


# The rules of get_weight_init.py of Zhou et al., restated: what is removed first has the lowest value.
def increase(start: np.ndarray, final: np.ndarray) -> np.ndarray:
    return np.abs(final) - np.abs(start)


def moved(start: np.ndarray, final: np.ndarray) -> np.ndarray:
    return np.abs(final - start)


def same_sign(start: np.ndarray, final: np.ndarray) -> np.ndarray:
    helped = np.abs(final)
    helped[np.where(np.sign(start) != np.sign(final))] = 0
    return helped


def large_final(start: np.ndarray, final: np.ndarray) -> np.ndarray:
    return np.abs(final)


@pytest.mark.parametrize(
    ("name", "rule"),
    [("magnitude", large_final), ("magnitude_increase", increase), ("movement", moved), ("same_sign", same_sign)],
)
def test_the_published_rule_after_training(name: str, rule: Callable[..., np.ndarray]) -> None:
    generator = torch.Generator().manual_seed(4)
    start, change = (torch.randn(9, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    final, mask = start + change, torch.rand(9, 7, generator=generator) < 0.6
    value = rule(start.numpy().copy(), final.numpy().copy()).flatten()
    value[~mask.flatten().numpy()] = 9999
    remove = int(mask.sum() * 25 / 100)
    expected = mask.flatten().numpy().copy()
    expected[np.argsort(value, kind="stable")[:remove]] = False
    scores = SCORES[name]()({"w": final}, {"w": start}, {"w": mask}, dict)
    found = keep(scores, {"w": mask}, {"w": int(mask.sum()) - remove})["w"]
    assert found.flatten().tolist() == expected.tolist()


BATCH = (torch.randn(5, FEATURES, generator=torch.Generator().manual_seed(3)), torch.tensor([0, 1, 2, 0, 1]))


class Forward(TinyModule):
    def forward(self, rows: Tensor) -> Tensor:
        return self.net(rows)


@pytest.fixture
def module() -> Forward:
    torch.manual_seed(0)
    return Forward(TinyNet(norm=True)).double()


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.named_parameters() if value.ndim > 1}


def double(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return batch[0].double(), batch[1]


def loss_of(module: Forward, weights: dict[str, Tensor], temperature: float = 1) -> Tensor:
    module.train()
    return F.cross_entropy(functional_call(module, weights, (double(BATCH)[0],)) / temperature, BATCH[1])


def at_or_below(value: dict[str, Tensor], share: float) -> dict[str, list[Any]]:
    """The masks of the SynFlow authors' pruner: what is at or below the k-th lowest of all goes."""
    together = torch.cat([each.flatten() for each in value.values()])
    threshold = together.kthvalue(int(share * len(together))).values
    return {name: (each > threshold).tolist() for name, each in value.items()}


def ticket(module: Forward, score: Score, left: int) -> dict[str, list[Any]]:
    ticket = Ticket(None, "global", "0it", score)
    ticket.adopt(dense_masks(weights_of(module)), round=0, rewind_point=plain_state(module))
    ticket.next_round(module, survivors_to_keep=left, make_batch=lambda: double(BATCH))
    return {name: mask.tolist() for name, mask in ticket.masks.items()}


def test_the_published_rule_of_snip(module: Forward) -> None:
    """The gradient with respect to masks of ones."""
    weights = weights_of(module)
    ones = {name: torch.ones_like(value, requires_grad=True) for name, value in weights.items()}
    loss_of(module, {name: value * ones[name] for name, value in weights.items()}).backward()
    value = {name: each.grad.abs() for name, each in ones.items()}
    norm = sum(each.sum() for each in value.values())
    expected = at_or_below({name: each / norm for name, each in value.items()}, 0.75)
    assert ticket(module, SNIP(), 18) == expected


def test_the_published_rule_of_grasp(module: Forward) -> None:
    """-w (Hg) of the whole Hessian of the loss of logits / 200; the highest go."""
    weights = weights_of(module)
    names, flat = list(weights), torch.cat([each.flatten() for each in weights.values()])

    def loss(values: Tensor) -> Tensor:
        parts = values.split([each.numel() for each in weights.values()])
        return loss_of(
            module, {name: part.view_as(weights[name]) for name, part in zip(names, parts, strict=True)}, 200
        )

    hessian, gradient = torch.autograd.functional.hessian(loss, flat), torch.autograd.functional.jacobian(loss, flat)
    value = -flat * (hessian @ gradient)
    value = value / value.sum().abs()
    threshold = value.topk(54).values[-1]
    parts = (value < threshold).split([each.numel() for each in weights.values()])
    expected = {name: part.view_as(weights[name]).tolist() for name, part in zip(names, parts, strict=True)}
    assert ticket(module, GraSP(), 18) == expected


def test_the_published_rule_of_synflow(module: Forward) -> None:
    """Algorithm 1 with the pruner's own loop: all values of the state positive, masks that only shrink."""
    module.net.norm.running_mean.fill_(-0.3)
    module.net.norm.running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(1))
    module.net.fc.bias.data.neg_()
    state = {name: value.abs() for name, value in plain_state(module).items()}
    weights = {name: state[name].requires_grad_() for name in weights_of(module)}
    masks = {name: torch.ones_like(value) for name, value in weights.items()}
    module.eval()
    for epoch in range(100):
        masked = {name: value * masks[name] for name, value in weights.items()}
        functional_call(module, state | masked, (torch.ones(1, FEATURES).double(),)).sum().backward()
        value = {name: (each.grad * each).detach().abs() for name, each in weights.items()}
        for each in weights.values():
            each.grad = None
        together = torch.cat([each.flatten() for each in value.values()])
        gone = len(together) - round(len(together) * (12 / len(together)) ** ((epoch + 1) / 100))
        if gone:
            threshold = together.kthvalue(gone).values
            masks = {name: (each > threshold).double() for name, each in value.items()}
    assert ticket(module, SynFlow(), 12) == {name: mask.bool().tolist() for name, mask in masks.items()}


class Wide(LightningModule):
    """Layers of 240, 1,600 and 120 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(FEATURES, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 3))

    def forward(self, rows: Tensor) -> Tensor:
        return self.net(rows)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return F.cross_entropy(self(batch[0]), batch[1])


@pytest.mark.parametrize(
    ("score", "emptied"),
    [(SynFlow(steps=1), [0, 2]), (GraSP(), [2]), (Magnitude(), [2, 4]), (SynFlow(), [])],
    ids=["synflow in one step", "grasp", "magnitude", "synflow in a hundred steps"],
)
@pytest.mark.filterwarnings("ignore:pruning leaves no weight:UserWarning")
def test_no_layer_collapses_in_many_steps_where_it_does_in_one(score: Score, emptied: list[int]) -> None:
    torch.manual_seed(2)
    module = Wide()
    pruned = Ticket(None, "global", "0it", score)
    pruned.adopt(dense_masks(weights_of(module)), round=0, rewind_point=plain_state(module))
    pruned.next_round(module, survivors_to_keep=16, make_batch=lambda: BATCH)
    assert sum(survivors(pruned.masks).values()) == 16
    assert collapsed(pruned.masks) == [f"net.{number}.weight" for number in emptied]


def test_the_layers_of_a_flow_have_equal_sums_whatever_is_masked() -> None:
    module = Wide()
    for layer in (0, 2, 4):
        module.net[layer].bias.data.zero_()
    masks = {name: torch.rand(value.shape) < 0.5 for name, value in weights_of(module).items()}
    found = scored(SynFlow(), module, BATCH, masks)
    sums = torch.stack([each[masks[name]].sum() for name, each in found.items()])
    assert found["net.0.weight"].dtype == torch.float64
    assert torch.allclose(sums, sums[:1], rtol=1e-12)


def test_random_numbers_are_of_the_generator() -> None:
    masks = {"b": torch.ones(3).bool(), "a": torch.ones(2, 2).bool()}
    generator = torch.Generator().manual_seed(5)
    expected = {name: torch.rand(masks[name].shape, dtype=torch.float64, generator=generator) for name in ("a", "b")}
    found = Random().seeded(torch.Generator().manual_seed(5))({}, {}, masks, dict)
    assert all(found[name].equal(expected[name]) for name in masks)
    again = Inverted(Random()).seeded(torch.Generator().manual_seed(5))({}, {}, masks, dict)
    assert all(again[name].equal(-expected[name]) for name in masks)
    assert (magnitude := Magnitude()).seeded(generator) is magnitude
    assert Inverted(SynFlow(steps=7)).steps == 7


def test_a_temperature_needs_a_cross_entropy() -> None:
    with pytest.raises(UserError, match=r"TwoLayers\.training_step calls no torch\.nn\.functional\.cross_entropy"):
        scored(GraSP(), TwoLayers(), POINT)
    for temperature in (0, -1, float("nan"), float("inf"), "hot", True):
        with pytest.raises(UserError, match=r"grasp: temperature is .*; expected a number above 0"):
            GraSP(temperature)  # type: ignore[arg-type]
    with DividedLogits(4) as divided:
        found = (
            F.cross_entropy(input=BATCH[0][:, :3], target=BATCH[1]),
            nn.CrossEntropyLoss()(BATCH[0][:, :3], BATCH[1]),
        )
    assert divided.calls == 2
    assert found[0] == found[1] == F.cross_entropy(BATCH[0][:, :3] / 4, BATCH[1])


@pytest.mark.parametrize("steps", [0, -1, 1.5, True])
def test_steps_are_counted(steps: Any) -> None:
    with pytest.raises(UserError, match=r"synflow: steps is .*; expected a whole number, 1 or more"):
        SynFlow(steps=steps)
