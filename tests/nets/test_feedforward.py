"""Compiled feed-forward networks against PyTorch's operations and optimisers, and which networks they take."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.overrides import TorchFunctionMode

from app.nets import LeNet, feedforward
from app.nets.feedforward import cross_entropy, eager_logits, layers_for, linear_layers, logits_of, updates
from app.nets.feedforward.native import SPARSE, SPARSE_GRADIENT, WORTH_LOOKING, Network

pytestmark = pytest.mark.skipif(feedforward.library() is None, reason="no C++ compiler")

# Widths below, at and above those of vectors and tiles, with and without rests.
SIZES = [(784, 300, 100, 10), (6, 8, 3), (5, 1), (32, 7), (17, 33, 9, 4), (80, 65, 64, 63, 11), (1, 1, 2)]
BATCHES = [1, 4, 17, 60, 64, 65, 130]
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


def made(sizes: tuple[int, ...], dtype: torch.dtype, *, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs, dtype=dtype), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def batch(sizes: tuple[int, ...], examples: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return torch.randn(examples, sizes[0], dtype=dtype), torch.randint(sizes[-1], (examples,))


def layers_of(net: nn.Module, images: Tensor) -> list[nn.Linear]:
    layers = layers_for(net, images)
    assert layers is not None
    return layers


def distance(found: Tensor, right: Tensor) -> float:
    return float((found - right).norm() / right.norm().clamp(min=0.1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_loss_logits_and_gradients_are_those_of_pytorch(sizes: tuple[int, ...], dtype: torch.dtype) -> None:
    net = made(sizes, dtype)
    for examples in BATCHES:
        images, labels = batch(sizes, examples, dtype)
        found = cross_entropy(layers_of(net, images), images, labels)
        assert found is not None
        loss, logits = found
        gradients = torch.autograd.grad(loss, list(net.parameters()))
        right = net(images)
        right_loss = F.cross_entropy(right, labels)
        assert abs(loss.item() - right_loss.item()) <= TOLERANCE[dtype]
        assert (logits - right).abs().max() <= TOLERANCE[dtype] * right.abs().max()
        for mine, its in zip(gradients, torch.autograd.grad(right_loss, list(net.parameters())), strict=True):
            assert distance(mine, its) <= TOLERANCE[dtype], examples
        assert (logits_of(layers_of(net, images), images) - right).abs().max() <= TOLERANCE[dtype] * right.abs().max()


def test_lenet_on_images_and_on_rows() -> None:
    torch.manual_seed(0)
    net, images = LeNet().double(), torch.rand(70, 1, 28, 28, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(logits_of(layers_of(net, images), images), net(images), rtol=0, atol=1e-12)
    rows = images.flatten(1)
    assert torch.equal(logits_of(layers_of(net, rows), rows), logits_of(layers_of(net, images), images))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("density", [0.0, 0.02, SPARSE - 0.1])
def test_leaving_out_zeros_changes_no_bit(density: float, dtype: torch.dtype) -> None:
    net = made((785, 61, 199, 10), dtype)
    images, labels = batch((785, 10), WORTH_LOOKING, dtype)
    masks = {}
    for number, layer in enumerate(layers_of(net, images)):
        masks[number] = torch.rand(layer.weight.shape) < density
        layer.weight.data.mul_(masks[number])
    layers = layers_of(net, images)
    dense, sparse = Network(layers), Network(layers)
    sparse.leave_out_zeros()
    assert torch.equal(dense.logits(images), sparse.logits(images))
    assert torch.equal(logits_of(layers, images), sparse.logits(images))

    # A step with masks has the logits of one without, and gradients only where the masks are.
    gradients = [updates.Pair(torch.ones_like(each.weight), torch.ones_like(each.bias)) for each in layers]
    masked = Network(layers, gradients=gradients, masks=masks)
    some, their = images[:60], labels[:60]
    assert torch.equal(masked.step(some, their, updates.Rule(kind=0))[1], dense.logits(some))
    loss = cross_entropy(layers, some, their)
    assert loss is not None
    right = torch.autograd.grad(loss[0], [each.weight for each in layers])
    for number, its in enumerate(right):
        assert torch.equal(gradients[number].weight, its * masks[number])


def test_the_number_of_threads_changes_no_bit() -> None:
    net = made((784, 300, 100, 10), torch.float32)
    images, labels = batch((784, 10), 700, torch.float32)
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        loss = cross_entropy(layers_of(net, images), images, labels)
        assert loss is not None
        found.append(
            [*loss, logits_of(layers_of(net, images), images), *torch.autograd.grad(loss[0], net.parameters())]
        )
    assert all(torch.equal(*pair) for other in found[1:] for pair in zip(found[0], other, strict=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(value: float) -> None:
    net = made((6, 8, 3), torch.float32)
    images, labels = batch((6, 8, 3), 5, torch.float32)
    images[2, 1] = value
    found = cross_entropy(layers_of(net, images), images, labels)
    assert found is not None
    assert not found[0].isfinite()
    assert found[1].isfinite().all(1).tolist() == net(images).isfinite().all(1).tolist()


def test_labels_that_are_no_classes_are_left_to_pytorch() -> None:
    net = made((6, 8, 3), torch.float32)
    images, labels = batch((6, 8, 3), 5, torch.float32)
    layers = layers_of(net, images)
    for wrong in (torch.tensor([0, 1, 3, 0, 0]), torch.tensor([0, 1, -100, 0, 0]), labels.float(), labels[:4]):
        assert cross_entropy(layers, images, wrong) is None


def test_second_derivatives_are_pytorchs() -> None:
    net = made((6, 8, 3), torch.float64)
    images, labels = batch((6, 8, 3), 9, torch.float64)
    found = []
    for loss in (cross_entropy(layers_of(net, images), images, labels), (F.cross_entropy(net(images), labels),)):
        assert loss is not None
        first = torch.autograd.grad(loss[0], list(net.parameters()), create_graph=True)
        found.append(torch.autograd.grad(sum((each**2).sum() for each in first), list(net.parameters())))
    for mine, its in zip(*found, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-10, atol=1e-12)


def test_a_loss_can_be_scaled_and_differentiated_twice_over() -> None:
    net = made((6, 8, 3), torch.float64)
    images, labels = batch((6, 8, 3), 9, torch.float64)
    found = cross_entropy(layers_of(net, images), images, labels)
    assert found is not None
    (found[0] * 0.25).backward(retain_graph=True)
    once = [parameter.grad.clone() for parameter in net.parameters()]
    (found[0] * 0.25).backward()
    right = torch.autograd.grad(F.cross_entropy(net(images), labels), list(net.parameters()))
    for parameter, first, its in zip(net.parameters(), once, right, strict=True):
        torch.testing.assert_close(first, 0.25 * its, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(parameter.grad, 0.5 * its, rtol=1e-10, atol=1e-12)


def test_the_eager_reference_is_the_network() -> None:
    net = made((6, 8, 5, 3), torch.float64)
    images, _ = batch((6, 8, 5, 3), 9, torch.float64)
    torch.testing.assert_close(eager_logits(list(net.parameters()), images), net(images), rtol=0, atol=0)


def hooked() -> nn.Module:
    net = made((6, 8, 3), torch.float32)
    net[1].register_forward_hook(lambda *_: None)
    return net


def frozen() -> nn.Module:
    net = made((6, 8, 3), torch.float32)
    net[1].bias.requires_grad_(False)
    return net


def tied() -> nn.Module:
    net = made((6, 6, 6), torch.float32)
    net[3].weight = net[1].weight
    return net


class MyLinear(nn.Linear):
    pass


class MyLeNet(LeNet):
    pass


OTHERS: dict[str, Callable[[], nn.Module]] = {
    "a subclass": MyLeNet,
    "a subclass of a layer": lambda: nn.Sequential(MyLinear(6, 3)),
    "hooks": hooked,
    "frozen": frozen,
    "tied": tied,
    "no bias": lambda: nn.Sequential(nn.Linear(6, 3, bias=False)),
    "another activation": lambda: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)),
    "dropout": lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3)),
    "ReLU at the end": lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU()),
    "another flattening": lambda: nn.Sequential(nn.Flatten(2), nn.Linear(6, 3)),
    "nothing": nn.Sequential,
    "one layer twice": lambda: (lambda layer: nn.Sequential(layer, nn.ReLU(), layer))(nn.Linear(6, 6)),
    "too many inputs": lambda: nn.Sequential(nn.Linear(65_537, 2)),
    "too many outputs": lambda: nn.Sequential(nn.Linear(2, 65_537)),
    "a parametrisation": lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 3))),
}


@pytest.mark.parametrize("which", OTHERS)
def test_other_networks_are_pytorchs(which: str) -> None:
    assert linear_layers(OTHERS[which]()) is None


class Watching(TorchFunctionMode):
    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return function(*args, **(kwargs or {}))


def test_others_on_the_same_network_are_pytorchs() -> None:
    net = made((6, 8, 3), torch.float32)
    images, _ = batch((6, 8, 3), 4, torch.float32)
    assert layers_for(net, images) is not None
    for other in (images.double(), images[:0], images[0], images[:, :5], images.clone().requires_grad_()):
        assert layers_for(net, other) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert layers_for(net, images) is None
    with Watching():
        assert layers_for(net, images) is None
    with torch.autograd.set_detect_anomaly(True):
        assert layers_for(net, images) is None
    seen = []

    def look(rows: Tensor) -> Tensor:
        seen.append(layers_for(net, rows))
        return rows.sum()

    torch.func.vmap(look)(images.unsqueeze(0))
    assert seen == [None]
    assert layers_for(net.half(), images.half()) is None


OPTIMIZERS: dict[str, tuple[Callable[[Any], Optimizer], bool]] = {
    "SGD": (lambda p: SGD(p, 0.1), True),
    "SGD, all": (lambda p: SGD(p, 0.1, momentum=0.9, dampening=0.1, weight_decay=0.01), True),
    "Nesterov": (lambda p: SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01), True),
    "fused SGD": (lambda p: SGD(p, 0.1, momentum=0.9, weight_decay=0.01, fused=True), True),
    "fused Adam": (lambda p: Adam(p, 0.01, fused=True), True),
    "fused Adam, decay": (lambda p: Adam(p, 0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, fused=True), True),
    "fused AdamW": (lambda p: AdamW(p, 0.01, weight_decay=0.1, fused=True), True),
    "Adam": (lambda p: Adam(p, 0.01), False),
    "AMSGrad": (lambda p: Adam(p, 0.01, amsgrad=True, fused=True), False),
    "maximising SGD": (lambda p: SGD(p, 0.001, maximize=True), False),
}


class Trained:
    """A network and what trains it; `sizes` have rests in weights and biases."""

    sizes = (45, 37, 13, 5)

    def __init__(self, make: Callable[[Any], Optimizer], dtype: torch.dtype, *, density: float = 0.3) -> None:
        self.net = made(self.sizes, dtype)
        self.optimizer = make(self.net.parameters())
        generator = torch.Generator().manual_seed(1)
        weights = [each for each in self.net.parameters() if each.ndim == 2]
        self.masks = {each: torch.rand(each.shape, generator=generator) < density for each in weights}
        for weight, mask in self.masks.items():
            weight.data.mul_(mask)
        self.data = torch.Generator().manual_seed(2)
        self.dtype = dtype

    def batch(self) -> tuple[Tensor, Tensor]:
        examples = int(torch.randint(3, 70, (), generator=self.data))
        images = torch.randn(examples, self.sizes[0], generator=self.data, dtype=self.dtype)
        return images, torch.randint(self.sizes[-1], (examples,), generator=self.data)

    def plainly(self, *, compiled: bool) -> None:
        """An iteration in PyTorch, with the compiled loss or without."""
        images, labels = self.batch()
        found = cross_entropy(layers_of(self.net, images), images, labels) if compiled else None
        loss = F.cross_entropy(self.net(images), labels) if found is None else found[0]
        self.optimizer.zero_grad()
        loss.backward()
        for weight, mask in self.masks.items():
            weight.grad.mul_(mask)
        self.optimizer.step()
        with torch.no_grad():
            for weight, mask in self.masks.items():
                weight.mul_(mask)

    def steps(self, clip: Callable[[], None] | None = None) -> feedforward.Steps:
        layers = linear_layers(self.net)
        assert layers is not None
        assert feedforward.takes(self.optimizer, layers, self.masks)
        return feedforward.Steps(layers, self.optimizer, self.masks, clip)

    def tensors(self) -> list[Tensor]:
        states = [value for state in self.optimizer.state.values() for value in state.values()]
        return [*self.net.parameters(), *(each for each in states if isinstance(each, Tensor))]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("which", OPTIMIZERS)
@pytest.mark.parametrize("density", [2 * SPARSE_GRADIENT, 0.5 * SPARSE_GRADIENT])
def test_steps_have_the_bits_of_gradients_and_torchs_optimiser(density: float, which: str, dtype: torch.dtype) -> None:
    """Also where gradients are of survivors alone; in float64 they are to 1e-10 what a plain loop in PyTorch does."""
    make, within = OPTIMIZERS[which]
    plain, single, ours = (Trained(make, dtype, density=density) for _ in range(3))
    for trained in (plain, single, ours):
        trained.plainly(compiled=trained is not plain)
    steps = ours.steps()
    assert (steps._update is not None) == within
    for stretch in (3, 1, 20):
        assert steps.begin()
        for _ in range(stretch):
            assert steps(*ours.batch()) is not None
        steps.end()
        ours.plainly(compiled=True)
        for _ in range(stretch + 1):
            single.plainly(compiled=True)
            plain.plainly(compiled=False)
    assert all(map(torch.equal, single.tensors(), ours.tensors()))
    assert not any(weight[~mask].any() for weight, mask in ours.masks.items())
    if dtype == torch.float64:
        for mine, its in zip(ours.tensors(), plain.tensors(), strict=True):
            torch.testing.assert_close(mine, its, rtol=1e-10, atol=1e-10)


def test_an_optimiser_whose_bits_differ_does_its_own_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    make, _ = OPTIMIZERS["fused Adam"]
    ours, its = Trained(make, torch.float32), Trained(make, torch.float32)
    for trained in (ours, its):
        trained.plainly(compiled=True)
    assert ours.steps()._update is not None
    monkeypatch.setattr(updates._FusedAdam, "rule", lambda self: updates.Rule(kind=1, rate=1e-9))
    updates._is_same.cache_clear()
    steps = ours.steps()
    monkeypatch.undo()
    updates._is_same.cache_clear()
    assert steps._update is None
    steps.begin()
    for _ in range(3):
        steps(*ours.batch())
        its.plainly(compiled=True)
    steps.end()
    assert all(map(torch.equal, ours.tensors(), its.tensors()))


def test_gradients_are_clipped_where_that_is_asked_for() -> None:
    make, _ = OPTIMIZERS["SGD"]
    ours, its = Trained(make, torch.float32), Trained(make, torch.float32)
    for trained in (ours, its):
        trained.plainly(compiled=True)
    steps = ours.steps(lambda: torch.nn.utils.clip_grad_norm_(ours.net.parameters(), 0.01) and None)
    steps.begin()
    for _ in range(3):
        steps(*ours.batch())
    steps.end()
    for _ in range(3):
        images, labels = its.batch()
        loss, _ = cross_entropy(layers_of(its.net, images), images, labels)  # type: ignore[misc]
        its.optimizer.zero_grad()
        loss.backward()
        for weight, mask in its.masks.items():
            weight.grad.mul_(mask)
        torch.nn.utils.clip_grad_norm_(its.net.parameters(), 0.01)
        its.optimizer.step()
    assert all(map(torch.equal, ours.tensors(), its.tensors()))


def test_steps_notice_that_tensors_are_elsewhere() -> None:
    ours = Trained(OPTIMIZERS["SGD, all"][0], torch.float32)
    ours.plainly(compiled=True)
    steps = ours.steps()
    assert steps.begin()
    weight = next(iter(ours.masks))
    ours.optimizer.state[weight]["momentum_buffer"] = ours.optimizer.state[weight]["momentum_buffer"].clone()
    assert not steps.begin()
    steps = ours.steps()
    assert steps.begin()
    ours.net[1].weight.data = ours.net[1].weight.data.clone()
    assert not steps.begin()


def test_a_batch_that_is_not_taken_changes_nothing() -> None:
    ours = Trained(OPTIMIZERS["fused Adam"][0], torch.float32)
    ours.plainly(compiled=True)
    steps, before = ours.steps(), [each.clone() for each in ours.tensors()]
    images, labels = ours.batch()
    steps.begin()
    assert steps(images, labels - 100) is None
    assert steps(images.double(), labels) is None
    steps.end()
    assert all(map(torch.equal, before, ours.tensors()))


def test_masked_weights_that_would_move_are_not_taken() -> None:
    for name in ("weight", "momentum"):
        ours = Trained(OPTIMIZERS["SGD, all"][0], torch.float32)
        ours.plainly(compiled=True)
        weight, mask = next(iter(ours.masks.items()))
        layers = linear_layers(ours.net)
        assert layers is not None
        assert feedforward.takes(ours.optimizer, layers, ours.masks)
        with torch.no_grad():
            (weight if name == "weight" else ours.optimizer.state[weight]["momentum_buffer"])[~mask] = 1.0
        assert not feedforward.takes(ours.optimizer, layers, ours.masks)


def test_optimisers_and_hooks_that_are_not_taken() -> None:
    net = made((6, 8, 3), torch.float32)
    layers = linear_layers(net)
    assert layers is not None
    assert feedforward.takes(SGD(net.parameters(), 0.1), layers, {})
    assert not feedforward.takes(torch.optim.RMSprop(net.parameters()), layers, {})
    assert not feedforward.takes(SGD(net[1].parameters(), 0.1), layers, {})
    optimizer = SGD(net.parameters(), 0.1)
    handle = optimizer.register_step_post_hook(lambda *_: None)
    assert not feedforward.takes(optimizer, layers, {})
    handle.remove()
    assert feedforward.takes(optimizer, layers, {})
    net[1].bias.register_hook(lambda gradient: gradient)
    assert not feedforward.takes(optimizer, layers, {})
