"""A ticket fitted to a network of another number of classes, against cases made by hand."""

import pytest
import torch

from app.common.errors import UserError
from app.common.seeds import generator
from app.pruning.transfer import transplant


def state(classes: int, value: float, inputs: int = 4) -> dict[str, torch.Tensor]:
    return {
        "fc.weight": torch.full((5, inputs), value),
        "fc.bias": torch.full((5,), value),
        "norm.running_var": torch.full((5,), value),
        "norm.batches": torch.tensor(int(value)),
        "output.weight": torch.full((classes, 5), value),
        "output.bias": torch.full((classes,), value),
    }


def masks(classes: int = 2) -> dict[str, torch.Tensor]:
    fc = torch.zeros(5, 4, dtype=torch.bool)
    fc[0] = True
    output = torch.zeros(classes, 5, dtype=torch.bool)
    output[0, :4] = True
    return {"fc.weight": fc, "output.weight": output}


def test_the_same_network_is_taken_as_it_is() -> None:
    weights, kept = transplant(state(2, 1.0), masks(), state(2, 7.0), generator(0), "there")
    assert all(value.equal(state(2, 1.0)[name]) for name, value in weights.items())
    assert all(mask.equal(masks()[name]) for name, mask in kept.items())


def test_a_new_output_layer_is_fresh_with_the_same_density_in_random_places() -> None:
    weights, kept = transplant(state(2, 1.0), masks(), state(10, 7.0), generator(0), "there")
    for name in weights:
        assert weights[name].unique().tolist() == ([7.0] if name.startswith("output") else [1.0])
    assert kept["fc.weight"].equal(masks()["fc.weight"])
    # 4 of 10 weights are left; so are 20 of 50.
    assert (kept["output.weight"].shape, int(kept["output.weight"].sum())) == ((10, 5), 20)
    again, other = (transplant(state(2, 1.0), masks(), state(10, 7.0), generator(seed), "there")[1] for seed in (0, 1))
    assert kept["output.weight"].equal(again["output.weight"])
    assert not kept["output.weight"].equal(other["output.weight"])


@pytest.mark.parametrize(
    ("fresh", "message"),
    [
        (state(2, 7.0, inputs=9), r"there: .*fc\.weight is \(5, 4\) there and \(5, 9\) here.*only an output layer"),
        ({**state(2, 7.0), "fc.bias": torch.zeros(3), "output.bias": torch.zeros(3)}, "only an output layer"),
        ({**state(2, 7.0), "more": torch.zeros(3)}, "more is in one of the two only"),
    ],
)
def test_other_networks_are_refused(fresh: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(UserError, match=message):
        transplant(state(2, 1.0), masks(), fresh, generator(0), "there")
