"""N networks at once are what each would be alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW

from app.common.errors import UserError
from app.common.seeds import generator
from app.nets import LeNet
from app.stacked import Clipping, EvaluationSet, Orders, StackedTraining, evaluate, stack, stacked_optimizer

CPU = torch.device("cpu")
IMAGES, BATCH, ITERATIONS = 70, 16, 20  # five batches an epoch, the last of them shorter
NETWORKS = 3


class ConvNet(nn.Module):
    """A convolution with batch norm, without a bias: its gradient would be rounding alone, which Adam scales up."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 5, stride=4, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.output = nn.Linear(4 * 36, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden: Tensor = torch.relu(self.norm(self.conv(images)))
        logits: Tensor = self.output(hidden.flatten(1))
        return logits


def drawn(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return make().double()


def make_masks(net: nn.Module, seed: int) -> dict[str, Tensor]:
    weights = {name: value for name, value in net.named_parameters() if value.dim() > 1}
    return {name: torch.rand(value.shape, generator=generator(seed)) < 0.5 for name, value in weights.items()}


class Alone:
    """One network, trained by a plain loop of PyTorch."""

    def __init__(self, net: nn.Module, masks: dict[str, Tensor], optimizer: Any, data: Any, clip: Clipping | None):
        self.net, self.masks, self.clip = net, masks, clip
        self.images, self.labels, self.rows, self.seed = data
        self.optimizer = optimizer(net.parameters())
        self.losses: list[Tensor] = []
        self.right = 0

    def train(self, iterations: int) -> None:
        self.apply_masks()
        epoch, done = 0, 0
        while done < iterations:
            order = self.rows[torch.randperm(len(self.rows), generator=generator(self.seed, epoch))]
            for rows in torch.split(order, BATCH)[: iterations - done]:
                self.step(self.images[rows], self.labels[rows])
                done += 1
            epoch += 1

    def step(self, images: Tensor, labels: Tensor) -> None:
        logits = self.net(images)
        loss = F.cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.losses.append(loss.detach() * len(labels))
        self.right += int((logits.argmax(1) == labels).sum())
        for name, mask in self.masks.items():
            self.net.get_parameter(name).grad.mul_(mask)
        if self.clip is not None and self.clip.algorithm == "norm":
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.clip.value)
        if self.clip is not None and self.clip.algorithm == "value":
            torch.nn.utils.clip_grad_value_(self.net.parameters(), self.clip.value)
        self.optimizer.step()
        self.apply_masks()

    @torch.no_grad()
    def apply_masks(self) -> None:
        for name, mask in self.masks.items():
            self.net.get_parameter(name).mul_(mask)


def data() -> tuple[Tensor, Tensor, list[Tensor]]:
    """Images, labels, and the rows of two splits."""
    images = torch.rand(100, 1, 28, 28, generator=generator(1), dtype=torch.float64)
    labels = torch.randint(10, (100,), generator=generator(2))
    return images, labels, [torch.arange(IMAGES), torch.randperm(100, generator=generator(3))[:IMAGES]]


def stacked(
    make: Callable[[], nn.Module], optimizer: Any, clip: Clipping | None = None, networks: int = NETWORKS
) -> tuple[StackedTraining, list[Alone]]:
    """The same networks for both; the first is dense, the first two share split and order."""
    images, labels, splits = data()
    rows, seeds = [splits[0], splits[0], splits[1]][:networks], [7, 7, 9][:networks]
    nets = [drawn(make, seed) for seed in range(networks)]
    masks = [make_masks(net, seed) if seed else {} for seed, net in enumerate(nets)]
    many = stack(nets[0], [net.state_dict() for net in nets])
    layout = many.layout
    training = StackedTraining(
        many,
        layout.pack([dict(net.named_parameters()) for net in nets], dtype=torch.float64),
        layout.pack(masks, dtype=torch.bool, fill=True),
        optimizer,
        images,
        labels,
        Orders(rows, seeds, BATCH),
        device=CPU,
        clipping=clip,
    )
    alone = [
        Alone(net, mask, optimizer, (images, labels, part, seed), clip)
        for net, mask, part, seed in zip(nets, masks, rows, seeds, strict=True)
    ]
    return training, alone


def assert_equal(training: StackedTraining, alone: list[Alone]) -> None:
    parameters = training.networks.layout.views(training.flat.detach())
    means = training.means()
    for number, one in enumerate(alone):
        for name, value in one.net.named_parameters():
            torch.testing.assert_close(parameters[name][number], value.detach(), rtol=0, atol=1e-10)
        for name, value in one.net.named_buffers():
            torch.testing.assert_close(training.networks.buffers[name][number], value, rtol=0, atol=1e-10)
        for name, mask in one.masks.items():
            assert not parameters[name][number][~mask].any()
        seen = ITERATIONS // 5 * IMAGES
        torch.testing.assert_close(means.loss[number], torch.stack(one.losses).sum() / seen, rtol=0, atol=1e-10)
        assert means.accuracy[number] == one.right / seen


OPTIMIZERS = {
    "adam": partial(Adam, lr=1.2e-3),
    "fused adam": partial(Adam, lr=1.2e-3, fused=True),
    "adamw": partial(AdamW, lr=1e-3, weight_decay=0.1),
    "sgd": partial(SGD, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "nesterov": partial(SGD, lr=0.05, momentum=0.9, nesterov=True),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("make", [LeNet, ConvNet])
def test_equal_to_networks_alone(make: Callable[[], nn.Module], optimizer: Any) -> None:
    training, alone = stacked(make, optimizer)
    training.advance(ITERATIONS)
    for one in alone:
        one.train(ITERATIONS)
    assert_equal(training, alone)


@pytest.mark.parametrize("clip", [Clipping(0.5), Clipping(0.01, "value")], ids=["norm", "value"])
def test_gradients_are_clipped_for_each_network_by_itself(clip: Clipping) -> None:
    training, alone = stacked(LeNet, OPTIMIZERS["sgd"], clip)
    training.advance(ITERATIONS)
    for one in alone:
        one.train(ITERATIONS)
    assert_equal(training, alone)


@pytest.mark.parametrize("make", [LeNet, ConvNet])
def test_evaluation_is_that_of_networks_alone(make: Callable[[], nn.Module]) -> None:
    training, _ = stacked(make, OPTIMIZERS["adam"])
    training.advance(10)
    images, labels, splits = data()
    sets = [
        EvaluationSet(images[splits[0]], labels[splits[0]], range(2)),
        EvaluationSet(images[splits[1]], labels[splits[1]], range(2, 3)),
    ]
    found = evaluate(training.networks, training.flat.detach(), sets)
    parameters = training.networks.layout.views(training.flat.detach())
    for number, split in enumerate([splits[0], splits[0], splits[1]]):
        net = make().double().eval()
        state = {name: value[number] for name, value in (parameters | training.networks.buffers).items()}
        net.load_state_dict(state)
        with torch.no_grad():
            logits = net(images[split])
        torch.testing.assert_close(found.loss[number], F.cross_entropy(logits, labels[split]), rtol=0, atol=1e-10)
        assert found.accuracy[number] == (logits.argmax(1) == labels[split]).double().mean()


@pytest.mark.parametrize("make", [LeNet, ConvNet])
@pytest.mark.parametrize("at", [3, 5, 12, 17])
def test_goes_on_from_a_state_to_the_same_bits(make: Callable[[], nn.Module], at: int) -> None:
    whole, _ = stacked(make, OPTIMIZERS["adam"])
    whole.advance(20)
    begun, _ = stacked(make, OPTIMIZERS["adam"])
    begun.advance(at)
    resumed, _ = stacked(make, OPTIMIZERS["adam"])
    resumed.load_state_dict(begun.state_dict())
    resumed.advance(20 - at)
    assert torch.equal(resumed.flat, whole.flat)
    assert all(torch.equal(resumed.networks.buffers[name], value) for name, value in whole.networks.buffers.items())
    assert all(map(torch.equal, resumed.means(), whole.means()))


def test_an_optimizer_that_mixes_weights_is_refused() -> None:
    with pytest.raises(UserError, match="LBFGS cannot be trained at once; choose one of Adam, AdamW, SGD"):
        stacked_optimizer(torch.optim.LBFGS, nn.Parameter(torch.zeros(2, 3)))


def test_groups_with_arguments_of_their_own_are_refused() -> None:
    def make(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD([{"params": list(parameters), "weight_decay": 1e-3}], lr=0.1)

    with pytest.raises(UserError, match="another weight_decay for a group"):
        stacked_optimizer(make, nn.Parameter(torch.zeros(2, 3)))
