"""The weights of a training, from checkpoints that hold averages as well."""

import torch

from app.runs.checkpoints import training_weights


def test_without_averages_they_are_the_state() -> None:
    state = {"net._orig_mod.a": torch.ones(2), "steps": torch.tensor(3)}
    found = training_weights({"state_dict": state})
    assert list(found) == ["net.a", "steps"]
    assert found["net.a"].equal(torch.ones(2))


def test_averages_give_way_also_for_tied_weights() -> None:
    average, other = torch.full((2,), 7.0), torch.full((2,), 5.0)
    state = {"encoder": average, "decoder": average, "bias": other, "steps": torch.tensor(3)}
    live = {"encoder": torch.zeros(2), "bias": torch.ones(2)}
    found = training_weights({"state_dict": state, "live_weights": live})
    assert found["encoder"].equal(torch.zeros(2))
    assert found["decoder"].equal(torch.zeros(2))
    assert found["bias"].equal(torch.ones(2))
    assert found["steps"] == 3
    found = training_weights({"state_dict": state, "current_model_state": live})
    assert found["decoder"].equal(torch.zeros(2))
