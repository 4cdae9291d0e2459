"""Counting, naming and rewinding."""

import pytest
import torch
from torch import nn

from app.common.errors import UserError
from app.common.prunable import prunable_parameters
from app.pruning import dense_masks, density, rewind, survivors, weight_sizes
from app.pruning.masks import as_bits, check_names, clear_


class Tied(nn.Module):
    """An encoder and a decoder with one weight, a norm and a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Embedding(6, 4)
        self.norm = nn.BatchNorm1d(4)
        self.decoder = nn.Linear(4, 6)
        self.decoder.weight = self.encoder.weight

    def prunable_parameters(self) -> dict[str, str]:
        return {"encoder.weight": "embedding"}


def test_tied_weights_count_once_and_norms_and_biases_never() -> None:
    assert weight_sizes(Tied()) == {"encoder.weight": 24}


def test_density_counts_exempt_weights_as_whole() -> None:
    assert density({"a": 80, "b": 20}, {"a": 40}) == 0.6
    assert density({"a": 80, "b": 20}, {}) == 1


def test_rewinding_is_in_place_and_exact() -> None:
    module = Tied()
    weight, norm = module.encoder.weight, module.norm
    point = {name: torch.randn_like(value.float()).to(value.dtype) for name, value in module.state_dict().items()}
    point["decoder.weight"] = point["encoder.weight"]
    mask = torch.rand(6, 4) < 0.5
    weight.data.fill_(7)
    norm.running_mean.fill_(7)
    rewind(module, point, {"encoder.weight": mask})
    assert module.encoder.weight is weight is module.decoder.weight
    assert weight.equal(point["encoder.weight"] * mask)
    assert norm.running_mean.equal(point["norm.running_mean"])
    assert module.decoder.bias.equal(point["decoder.bias"])


def test_rewinding_to_another_network_is_a_users_mistake() -> None:
    with pytest.raises(UserError, match=r"another network's") as raised:
        rewind(Tied(), nn.Linear(2, 2).state_dict(), {})
    assert "\n" not in str(raised.value)


def test_a_module_says_what_may_be_pruned() -> None:
    assert prunable_parameters(Tied()) == {"encoder.weight": "embedding"}
    assert prunable_parameters(nn.Linear(2, 2)) == {"weight": "output"}
    with pytest.raises(UserError, match="Embedding has no weights to prune"):
        prunable_parameters(nn.Embedding(2, 2))


def test_what_it_says_must_exist() -> None:
    module = Tied()
    module.prunable_parameters = lambda: {"decoder.weight": "fc"}  # the second name of the tied weight
    with pytest.raises(UserError, match=r"decoder\.weight.*first name"):
        prunable_parameters(module)


def test_masks_of_another_network_are_refused() -> None:
    module = Tied()
    with pytest.raises(UserError, match=r"a checkpoint masks old\.weight.*encoder\.weight"):
        check_names({"old.weight": torch.ones(6, 4, dtype=torch.bool)}, module, "a checkpoint")
    with pytest.raises(UserError, match=r"shape \(4, 6\).*\(6, 4\)"):
        check_names({"encoder.weight": torch.ones(4, 6, dtype=torch.bool)}, module, "a checkpoint")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_what_is_masked_becomes_0_whatever_it_was(dtype: torch.dtype) -> None:
    values = torch.tensor([[1.5, torch.nan, -torch.inf], [-2.0, torch.inf, -0.0]], dtype=dtype).t()
    mask = torch.tensor([[True, False, False], [True, False, False]]).t()
    clear_(values, as_bits(mask, values))
    assert values.tolist() == [[1.5, -2], [0, 0], [0, 0]]
    assert not values.signbit()[1:].any()


def test_dense_masks_miss_nothing() -> None:
    assert survivors(dense_masks({"w": torch.zeros(3, 5)})) == {"w": 15}
