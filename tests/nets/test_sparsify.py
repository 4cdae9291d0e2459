"""Which layers become sparse, and that nothing else of a network changes."""

import pytest
import torch
from torch import Tensor, nn

from app import pruning
from app.common.errors import UserError
from app.nets import LSTM, ONLSTM, Conv2, LeNet, densify, sparsify
from app.nets.sparse import SparseConv2d, SparseLinear


def masks_of(net: nn.Module, density: float = 0.3) -> dict[str, Tensor]:
    """Masks of all weights, applied to them."""
    torch.manual_seed(0)
    masks = {name: torch.rand_like(p) < density for name, p in net.named_parameters() if p.ndim >= 2}
    with torch.no_grad():
        for name, mask in masks.items():
            net.get_parameter(name).mul_(mask)
    return masks


def test_a_network_keeps_its_objects() -> None:
    """Modules, parameters, their names and hooks; the sparse layers go in and out."""
    net = Conv2(side=16)
    masks = masks_of(net)
    modules, state = list(net.modules()), net.state_dict(keep_vars=True)
    called: list[nn.Module] = []
    net.fc1.register_forward_hook(lambda module, *_: called.append(module))
    x = torch.randn(2, 3, 16, 16)
    expected = net(x)
    assert pruning.sparsify(net, masks) == ["convs.0", "convs.1", "fc1", "fc2", "output"]
    assert type(net.convs[1]) is SparseConv2d
    assert type(net.fc1) is SparseLinear
    assert torch.allclose(net(x), expected, atol=1e-5)
    after = net.state_dict(keep_vars=True)
    assert after.keys() == state.keys()
    assert all(after[name] is state[name] for name in state)
    assert all(one is other for one, other in zip(net.modules(), modules, strict=True))
    assert called == [net.fc1, net.fc1]
    pruning.densify(net)
    assert type(net.convs[1]) is nn.Conv2d
    assert type(net.fc1) is nn.Linear
    assert torch.equal(net(x), expected)
    assert not any("pattern" in module.__dict__ for module in net.modules())


def test_other_masks_replace_those_of_before() -> None:
    net = LeNet()
    sparsify(net, masks_of(net))
    later = masks_of(net, 0.1)
    kept = {name: mask for name, mask in later.items() if name != "fc2.weight"}
    assert sparsify(net, kept) == ["fc1", "output"]
    assert type(net.fc2) is nn.Linear
    assert isinstance(net.fc1, SparseLinear)
    assert torch.equal(net.fc1.pattern.mask, kept["fc1.weight"])
    net.fc1(torch.ones(3, 784)).sum().backward()
    assert net.fc1.weight.grad is not None
    assert torch.equal(net.fc1.weight.grad != 0, kept["fc1.weight"])


def test_limits_are_by_kind() -> None:
    net = nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3), "fc": nn.Linear(9, 9), "lstm": ONLSTM(6, [8], 4)})
    masks = masks_of(net, 0.5)
    assert sparsify(net, masks, {"linear": 0.9, "recurrent": 0.9}) == ["fc", "lstm.layers.0"]
    assert sparsify(net, masks, {"linear": 0.1, "conv": 0.9}) == ["conv"]
    assert sparsify(net, masks, {}) == []


def test_a_recurrent_layer_of_which_one_weight_is_masked() -> None:
    net = ONLSTM(6, [8], 4)
    masks = {"layers.0.weight_hh": masks_of(net)["layers.0.weight_hh"]}
    x = torch.randn(3, 2, 6)
    expected = net(x)[0]
    assert sparsify(net, masks) == ["layers.0"]
    assert net.layers[0].patterns is not None
    assert net.layers[0].patterns.ih.density == 1
    assert torch.allclose(net(x)[0], expected, atol=1e-6)
    densify(net)
    assert net.layers[0].patterns is None


def test_layers_of_other_classes_stay_dense() -> None:
    class Mine(nn.Linear):
        pass

    net = nn.Sequential(Mine(4, 4), nn.Conv2d(2, 2, 3, stride=2), nn.Embedding(5, 4))
    assert sparsify(net, masks_of(net)) == []


def test_a_tied_weight_is_masked_in_both_places() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    net[1].weight = net[0].weight
    masks = {name: mask for name, mask in masks_of(net).items() if name == "0.weight"}
    assert sparsify(net, masks) == ["0", "1"]


@pytest.mark.parametrize("name", ["fc1.weight", "fc9.weight"])
def test_masks_of_another_network_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=rf"the mask of {name} is \(2, 2\); LeNet has"):
        sparsify(LeNet(), {name: torch.ones(2, 2, dtype=torch.bool)})


@pytest.mark.parametrize("examples", [2, 15, 17, 20, 64, 65])
def test_an_example_has_the_same_bits_in_batches_of_two_and_more(examples: int) -> None:
    """What a row of a batch is does not depend on the others; one example alone is read in another order."""
    torch.manual_seed(0)
    cases: list[tuple[nn.Module, Tensor, int]] = [
        (nn.Linear(900, 30), torch.randn(130, 900), 0),
        (nn.Conv2d(3, 5, 3, padding=1), torch.randn(70, 3, 9, 9), 0),
        (ONLSTM(7, [8], 2), torch.randn(5, 70, 7), 1),
        (LSTM(7, [8]), torch.randn(5, 70, 7), 1),
    ]
    for net, x, dim in cases:
        sparsify(net.eval(), masks_of(net))
        with torch.no_grad():
            whole, some = net(x), net(x.narrow(dim, 0, examples).contiguous())
        whole, some = (each if isinstance(each, Tensor) else each[0] for each in (whole, some))
        assert some.equal(whole.narrow(dim, 0, examples)), type(net).__name__
