"""NT-ASGD: the trigger of the AWD-LSTM code, the averages of torch's own ASGD, and who sees which weights."""

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.averaging import DECAY, LOSSES, RATE, SWITCH, Judged, State, by_asgd, fit, near
from helpers.language import LR, TinyText, language_model
from helpers.language import trainer as language_trainer
from helpers.tiny import Probe, TinyNet, same, weights
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import Trainer
from torch.optim import SGD

from app.common.errors import UserError
from callbacks import NTASGD, IterativePruningCallback
from callbacks.nt_asgd import is_non_monotone

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


def triggers_of_the_authors(losses: Sequence[float], nonmono: int) -> int | None:
    """Which validation switches, in the lines of the AWD-LSTM code."""
    best_val_loss: list[float] = []
    for number, val_loss in enumerate(losses):
        if len(best_val_loss) > nonmono and val_loss > min(best_val_loss[:-nonmono]):
            return number
        best_val_loss.append(val_loss)
    return None


@given(st.lists(st.integers(0, 6), max_size=20), st.integers(1, 6))
def test_the_trigger_is_that_of_the_authors(losses: list[int], nonmono: int) -> None:
    found = (n for n, loss in enumerate(losses) if is_non_monotone(loss, losses[:n], nonmono))
    assert next(found, None) == triggers_of_the_authors(losses, nonmono)


def test_the_trigger_by_hand() -> None:
    assert not is_non_monotone(9, [5, 6], 2)
    assert is_non_monotone(9, [5, 6, 7], 2)
    assert is_non_monotone(5.5, [5, 6, 7], 2)
    assert not is_non_monotone(5, [5, 6, 7], 2)
    assert not is_non_monotone(9, [math.nan] * 5, 2)


def test_averages_are_those_of_asgd() -> None:
    live, averages = by_asgd(SWITCH, 35)
    module, callback = Judged(LOSSES), NTASGD(nonmono=2)
    fit(module, callback, max_steps=35)
    assert callback.triggered_at == SWITCH
    assert callback.losses == LOSSES[:5]
    assert near(weights(module), averages[-1])
    assert len(module.trained) == 35
    for step, state in enumerate(module.trained):
        assert near(state, live[step]), f"not the live weights before step {step}"
    # The sanity check, then one in two iterations. There is no average before the first step that is averaged.
    expected = [live[0], *(averages[step] or live[step] for step in range(2, 35, 2))]
    assert len(module.validated) == len(expected)
    for number, (state, right) in enumerate(zip(module.validated, expected, strict=True)):
        assert near(state, right), f"validation {number}"
    assert not near(averages[-1], live[-1])


def test_without_a_trigger_nothing_is_averaged_or_swapped() -> None:
    plain, module, callback = Judged([1]), Judged([1]), NTASGD(nonmono=2)
    for one, callbacks in ((plain, ()), (module, (callback,))):
        fit(one, *callbacks)
    assert callback.triggered_at is None
    assert not callback.averaging
    assert same(weights(module), weights(plain))
    assert all(same(*pair) for pair in zip(module.validated, plain.validated, strict=True))


def test_the_sanity_check_does_not_count() -> None:
    module, callback = Judged([1]), NTASGD()
    fit(module, callback, max_steps=4)
    assert callback.losses == [1, 1]


def test_a_trigger_at_the_last_validation_leaves_the_weights() -> None:
    module, callback = Judged(LOSSES), NTASGD(nonmono=2)
    fit(module, callback, max_steps=SWITCH)
    assert callback.triggered_at == SWITCH
    assert near(weights(module), by_asgd(None, SWITCH)[0][-1])


@pytest.mark.parametrize("extra", [1, 2, 3])
def test_the_first_steps_that_are_averaged(extra: int) -> None:
    module = Judged(LOSSES)
    fit(module, NTASGD(nonmono=2), max_steps=SWITCH + extra)
    assert near(weights(module), by_asgd(SWITCH, SWITCH + extra)[1][-1])


def test_accumulated_gradients_are_one_step() -> None:
    module, callback, live = Judged([1, 2, 3]), NTASGD(nonmono=1), []
    probe = Probe(on_train_batch_start=lambda trainer, module: live.append((trainer.global_step, weights(module))))
    # Every second iteration of two batches; an epoch of seven batches ends with a step of one.
    fit(module, callback, probe, max_steps=14, accumulate_grad_batches=2, val_check_interval=3)
    assert callback.triggered_at is not None
    seen = {step: state for step, state in live if step > callback.triggered_at + 1}
    assert len(live) > len(dict(live)) > 10
    iterates = [*seen.values(), callback._live]
    mean = {name: torch.stack([state[name] for state in iterates]).mean(0) for name in iterates[0]}
    assert near(weights(module), mean)


def test_the_average_begins_anew_after_the_epoch_asked_for() -> None:
    # An epoch has 7 batches, and one validation at its end: the second one triggers at iteration 21.
    module, callback = Judged([5, 6, 7]), NTASGD(nonmono=1, finetune_epoch=4)
    fit(module, callback, max_steps=-1, max_epochs=6, val_check_interval=1.0, check_val_every_n_epoch=1)
    assert callback.triggered_at == 28
    _, averages = by_asgd(21, 42, anew=28)
    assert near(weights(module), averages[-1])
    right = [averages[28], averages[35], averages[42]]
    for state, average in zip(module.validated[-3:], right, strict=True):
        assert near(state, average)


def test_validations_within_that_epoch_do_not_begin_it_anew() -> None:
    module, callback = Judged([5, 6, 7]), NTASGD(nonmono=1, finetune_epoch=3)
    fit(module, callback, max_steps=-1, max_epochs=4, val_check_interval=3, check_val_every_n_epoch=1)
    _, averages = by_asgd(10, 28, anew=21)  # validated after iterations 3, 6, 10, 13, 17, 20, 24, 27
    assert callback.losses == [5, 6, 7]
    assert near(module.validated[6], averages[20])
    assert near(weights(module), averages[-1])


def test_a_training_that_ends_with_that_epoch_ends_with_its_averages() -> None:
    module, callback = Judged([5, 6, 7]), NTASGD(nonmono=1, finetune_epoch=5)
    fit(module, callback, max_steps=-1, max_epochs=5, val_check_interval=1.0, check_val_every_n_epoch=1)
    assert near(weights(module), by_asgd(21, 35)[1][-1])


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_before_there_are_averages_none_begins_anew(epoch: int) -> None:
    module, callback = Judged([5, 6, 7]), NTASGD(nonmono=1, finetune_epoch=epoch)
    fit(module, callback, max_steps=-1, max_epochs=6, val_check_interval=1.0, check_val_every_n_epoch=1)
    assert callback.triggered_at == 21
    assert near(weights(module), by_asgd(21, 42)[1][-1])


class Tied(TinyNet):
    """Two names for one weight, and one that is not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.again = torch.nn.Linear(6, 8, bias=False)
        self.again.weight = self.fc.weight
        self.fc.bias.requires_grad_(False)


def test_tied_weights_have_one_average_and_frozen_ones_none(tmp_path: Path) -> None:
    module, callback = Judged(LOSSES, net=Tied()), NTASGD(nonmono=2)
    frozen = module.net.fc.bias.clone()
    fit(module, callback, max_steps=16).save_checkpoint(tmp_path / "16.ckpt")
    found = torch.load(tmp_path / "16.ckpt", weights_only=True)
    assert set(found["live_weights"]) == {"net.fc.weight", "net.output.weight", "net.output.bias"}
    state = found["state_dict"]
    assert state["net.fc.weight"].equal(state["net.again.weight"])
    assert not state["net.fc.weight"].equal(found["live_weights"]["net.fc.weight"])
    assert state["net.fc.bias"].equal(frozen)
    assert module.net.again.weight is module.net.fc.weight
    assert same(state, weights(module))


def test_a_tied_language_model() -> None:
    """Rates that change with the windows: the averages are means of the iterates all the same."""
    iterates: list[State] = []

    def note(run: Trainer, module: Any) -> None:
        if callback.triggered_at is not None and run.global_step > callback.triggered_at + 1:
            iterates.append({name: p.detach().clone() for name, p in module.named_parameters()})

    model, callback = language_model(), NTASGD(nonmono=1)
    torch.manual_seed(1)
    language_trainer([Probe(on_train_batch_end=note), callback], max_epochs=6, val_check_interval=3).fit(
        model, TinyText()
    )
    assert len(iterates) > 9
    assert model.decoder.weight is model.embedding.weight
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach(), torch.stack([i[name] for i in iterates]).mean(0), rtol=0, atol=1e-12)
    assert LR != 1


def test_a_ticket_is_drawn_from_the_averages_or_from_the_live_weights() -> None:
    live, averages = by_asgd(SWITCH, 16)
    masks = {}
    for keep, right in (("averages", averages[-1]), ("live", live[-1])):
        pruning, averaging = IterativePruningCallback({"fc": 0.5, "output": 0.3}), NTASGD(nonmono=2, keep=keep)
        module = Judged(LOSSES)
        fit(module, averaging, pruning, max_steps=16)
        assert averaging.averaging
        assert right is not None
        assert near(weights(module), right)
        module.losses = list(LOSSES)
        fit(module, averaging, pruning, max_steps=16)
        masks[keep] = pruning.masks
        for name, mask in pruning.masks.items():
            sizes = right[name].abs()
            assert sizes[mask].min() > sizes[~mask].max(), "the smallest of these weights were pruned"
    assert any(not mask.equal(masks["live"][name]) for name, mask in masks["averages"].items())


def test_masked_weights_stay_0_in_the_averages() -> None:
    def momentum(module: Any) -> SGD:
        return SGD(module.parameters(), lr=RATE, momentum=0.9, weight_decay=DECAY)

    for order in (slice(None), slice(None, None, -1)):
        pruning, averaging = IterativePruningCallback({"fc": 0.5, "output": 0.3}), NTASGD(nonmono=2)
        module = Judged(LOSSES, momentum)
        for _ in range(2):
            module.losses, module.trained = list(LOSSES), []
            fit(module, *[pruning, averaging][order], max_steps=16)
        assert averaging.averaging
        for name, value in module.trained[0].items():
            rewound = pruning.rewind_point[name]
            assert value.equal(rewound * pruning.masks[name] if name in pruning.masks else rewound)
        assert pruning.round == 1
        for name, mask in pruning.masks.items():
            weight = module.get_parameter(name)
            assert not mask.all()
            assert not weight[~mask].any()
            assert weight[mask].all()


def test_another_loss_to_look_at() -> None:
    class Other(Judged):
        def on_validation_epoch_end(self) -> None:
            super().on_validation_epoch_end()
            self.log("other", float(len(self.validated)))

    callback = NTASGD(nonmono=1, monitor="other")
    fit(Other([1]), callback, max_steps=8, num_sanity_val_steps=0)
    assert callback.triggered_at == 6


def test_a_loss_that_is_not_logged() -> None:
    with pytest.raises(UserError, match=r"^NTASGD: nothing is not logged; [^\n]*val_loss[^\n]*$"):
        fit(Judged([1]), NTASGD(monitor="nothing"), max_steps=4)


@pytest.mark.parametrize(("name", "value"), [("nonmono", 0), ("nonmono", -1), ("finetune_epoch", 0)])
def test_what_makes_no_sense(name: str, value: int) -> None:
    with pytest.raises(UserError, match=rf"^NTASGD: {name} is {value}; expected 1 or more$"):
        NTASGD(**{name: value})


def test_other_weights_cannot_be_kept() -> None:
    with pytest.raises(UserError, match=r"^NTASGD: keep is 'both'; expected averages or live$"):
        NTASGD(keep="both")


def test_state_is_plain() -> None:
    callback = NTASGD(nonmono=2)
    fit(Judged(LOSSES), callback, max_steps=16)
    state = callback.state_dict()
    other = NTASGD(nonmono=2)
    other.load_state_dict(copy.deepcopy(state))
    assert other.state_dict() == state
    assert state == {"losses": LOSSES[:5], "triggered_at": SWITCH, "steps": 6}
