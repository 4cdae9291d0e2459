"""Units that masks have cut off are removed, and what nets put out stays the same, in float64 to the last digits."""

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from app.common.errors import UserError
from app.nets import LSTM, VGG, Conv2, LeNet, ResNet
from app.pruning.compact import Sizes, compact, resize
from app.pruning.unit_paths import unit_paths

Images = tuple[int, ...]


def linear_net() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 9), nn.Tanh(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 4))


def conv_net(padding: int = 1) -> nn.Module:
    side = (8 + 2 * (padding - 1)) // 2 + 2 * (padding - 1)
    return nn.Sequential(
        *(nn.Conv2d(2, 6, 3, padding=padding), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 5, 3, padding=padding, bias=False), nn.BatchNorm2d(5), nn.Sigmoid(), nn.Dropout(0.3)),
        *(nn.Flatten(), nn.Linear(5 * side**2, 6, bias=False), nn.ELU(), nn.Linear(6, 3)),
    )


NETS: dict[str, tuple[Callable[[], nn.Module], Images]] = {
    "linear": (linear_net, (3, 4)),
    "padded": (conv_net, (2, 8, 8)),
    "unpadded": (lambda: conv_net(0), (2, 8, 8)),
    "Conv2": (lambda: Conv2(side=8), (3, 8, 8)),
    "VGG": (lambda: VGG(11), (3, 16, 16)),
    "ResNet": (lambda: ResNet(8), (3, 8, 8)),
}


def pruned(make: Callable[[], nn.Module], seed: int, cut: float) -> nn.Module:
    """A net in evaluation, in float64, with weights and statistics of its own, of whose units some are cut off."""
    torch.manual_seed(seed)
    net = make().double().eval()
    with torch.no_grad():
        for value in net.state_dict().values():
            if value.is_floating_point():
                value.uniform_(0.2, 1.5) if value.ndim == 1 else value.normal_()
        for module in net.modules():
            if isinstance(module, nn.Linear | nn.Conv2d) and module is not [*net.modules()][-1]:
                weight = module.weight
                weight[torch.rand(len(weight)) < cut] = 0
                weight[:, torch.rand(weight.shape[1]) < cut] = 0
                if module.bias is not None:
                    module.bias.uniform_(-1, 1)
            if isinstance(module, nn.BatchNorm2d):
                module.bias.uniform_(-1, 1)
    return net


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["linear", "padded", "unpadded"]), st.integers(0, 99), st.sampled_from([0.0, 0.3, 0.7, 1.0]))
def test_outputs_stay_the_same(kind: str, seed: int, cut: float) -> None:
    make, shape = NETS[kind]
    check(pruned(make, seed, cut), torch.randn(3, *shape, dtype=torch.float64), fewer=cut >= 0.7)


@pytest.mark.parametrize("kind", ["Conv2", "VGG", "ResNet"])
def test_outputs_of_our_nets_stay_the_same(kind: str) -> None:
    make, shape = NETS[kind]
    check(pruned(make, 1, 0.4), torch.randn(3, *shape, dtype=torch.float64), fewer=True)


def check(net: nn.Module, images: Tensor, *, fewer: bool) -> None:
    with torch.no_grad():
        before = net(images)
        sizes = compact(net)
        assert torch.allclose(net(images), before, rtol=1e-9, atol=1e-9)
    if fewer:
        assert any(after < before for before, after in sizes.values())
    assert {name: len(path.layer.weight) for name, path in unit_paths(net).items()} == {
        name: size.after for name, size in sizes.items()
    }
    assert compact(net) == {name: Sizes(size.after, size.after) for name, size in sizes.items()}  # nothing more goes


def test_lenet_loses_just_the_units_that_are_cut_off() -> None:
    net = LeNet().double().eval()
    with torch.no_grad():
        net.fc1.bias.uniform_(-1, 1)
        net.fc1.weight[:40] = 0  # no way in
        net.fc2.weight[:, 290:] = 0  # no way out
        net.output.weight[:, 3] = 0
        net.fc2.weight[:, 100] = 0
        net.fc2.weight[3, 100] = 1  # read by one that nothing reads
        images = torch.randn(5, 1, 28, 28, dtype=torch.float64)
        before = net(images)
        assert compact(net) == {"fc1": (300, 249), "fc2": (100, 99)}
        assert torch.allclose(net(images), before, atol=1e-12)
    assert (net.fc1.in_features, net.fc1.out_features) == (784, 249)
    assert net.fc2.weight.shape == (99, 249)


def test_one_constant_channel_stands_for_all_before_a_padded_convolution() -> None:
    net = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 2, 3, padding=1)).double()
    with torch.no_grad():
        net[0].weight[:5] = 0
        net[0].bias.copy_(torch.tensor([1.0, 2.0, 3.0, -1.0, -2.0, 0.5]))
        images = torch.randn(2, 1, 7, 7, dtype=torch.float64)
        before = net(images)
        assert compact(net) == {"0": (6, 2)}  # three constants in one, two that are zero, and the one that lives
        assert torch.allclose(net(images), before, atol=1e-12)


def test_survivors_that_are_0_stay_survivors() -> None:
    """And keep units alive: only what the masks remove is removed."""
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 2))
    with torch.no_grad():
        net[0].weight[1], net[0].weight[2] = 0, 0  # unit 1 by its weights, unit 2 by the mask
        net[2].weight[:, 3] = 0  # by the mask
        net[2].weight[0] = 0  # by its weights
        net[2].weight[4, 0], net[2].weight[5, 0] = 0, 0  # by its weight, by the mask
        images = torch.randn(3, 4)
        before = net(images)
        masks = {f"{number}.weight": torch.ones_like(net[number].weight, dtype=torch.bool) for number in (0, 2)}
        masks["0.weight"][2], masks["2.weight"][:, 3], masks["2.weight"][5, 0] = False, False, False
        wanted = {"0.weight": masks["0.weight"][[0, 1, 4]], "2.weight": masks["2.weight"][:, [0, 1, 4]]}
        assert compact(net, masks) == {"0": (5, 3), "2": (6, 6)}
        assert all(masks[name].equal(mask) for name, mask in wanted.items())
        assert torch.allclose(net(images), before, atol=1e-6)


def test_biases_are_folded_in_float64() -> None:
    """The error is that of rounding the result once, whatever cancels out on the way."""
    net = nn.Sequential(nn.Linear(3, 40), nn.Tanh(), nn.Linear(40, 4))
    with torch.no_grad():
        net[0].weight[:30] = 0
        net[2].weight.normal_(std=1000)
        constants = torch.tanh(net[0].bias[:30].double())
        exact = net[2].bias.double() + net[2].weight[:, :30].double() @ constants
        compact(net)
    assert net[2].bias.dtype == torch.float32
    assert net[2].bias.equal(exact.float())


def test_a_ticket_of_a_shrunk_net_fits_a_resized_one() -> None:
    small = pruned(NETS["padded"][0], 5, 0.5)
    compact(small)
    net = NETS["padded"][0]().double().eval()
    resize(net, small.state_dict())
    net.load_state_dict(small.state_dict())
    images = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    assert net(images).equal(small(images))


class Shared(nn.Module):
    """A layer that is called twice, and one whose weight another has."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.one, self.other = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.last = nn.Linear(4, 2)
        self.other.weight = self.one.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.other(torch.relu(self.one(self.twice(torch.relu(self.twice(x))))))))


class Elsewhere(nn.Module):
    """Layers whose units go where they cannot be told apart."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.a(x)
        mixed = self.b(hidden).softmax(-1)
        return self.d(self.c(mixed).flip(1)), hidden


@pytest.mark.parametrize("make", [Shared, Elsewhere])
def test_layers_that_others_need_whole_keep_all_units(make: Callable[[], nn.Module]) -> None:
    net = make()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    before = copy.deepcopy(net.state_dict())
    assert compact(net) == {}
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())


class Asking(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("net", "why"),
    [
        (nn.LSTM(3, 4), "LSTM is recurrent"),
        (LSTM(3, [4, 3]), "layers.0 is recurrent, and recurrent layers keep all their units"),
        (Asking(), "Asking cannot be traced"),
    ],
    ids=["torch", "ours", "asking"],
)
def test_what_cannot_be_made_smaller_is_refused(net: nn.Module, why: str) -> None:
    with pytest.raises(UserError, match=why) as raised:
        compact(net)
    assert "\n" not in str(raised.value)
