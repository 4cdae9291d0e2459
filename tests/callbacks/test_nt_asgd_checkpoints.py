"""Averages and live weights in checkpoints, over resumes and over several trainings."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.averaging import LOSSES, SWITCH, Judged, by_asgd, data, fit, near
from helpers.tiny import Probe, same, tiny_trainer, weights
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from app.common.errors import UserError
from callbacks import NTASGD

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


def checkpoint(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)


def test_a_checkpoint_holds_averages_and_live_weights(tmp_path: Path) -> None:
    saved = []

    def save(run: Trainer, module: Judged) -> None:
        if run.sanity_checking or not run.fit_loop.epoch_loop.batch_progress.total.ready:
            return
        run.save_checkpoint(tmp_path / "now.ckpt")
        saved.append((run.global_step, checkpoint(tmp_path / "now.ckpt")))

    hooks = ("on_train_batch_end", "on_validation_start", "on_validation_end", "on_train_end")
    live, averages = by_asgd(SWITCH, 16)
    # Saved by a callback before and by one behind it.
    probes = [Probe(**dict.fromkeys(hooks, save)) for _ in range(2)]
    fit(Judged(LOSSES), probes[0], NTASGD(nonmono=2), probes[1], max_steps=16)
    behind = [(step, state) for number, (step, state) in enumerate(saved) if number % 2]
    assert len(behind) == 16 + 2 * 8 + 1
    for step, found in behind:
        if averages[step] is None:
            assert near(found["state_dict"], live[step])
            assert "live_weights" not in found
        else:
            assert near(found["state_dict"], averages[step])
            assert near(found["live_weights"], live[step])
    # Before it takes the step in, it still holds what was: a checkpoint of then is of the moment before, or of after.
    for step, found in saved:
        if "live_weights" in found and not near(found["state_dict"], averages[step]):
            assert near(found["state_dict"], averages[step - 1] or live[step])


def test_what_a_model_checkpoint_saves_is_what_was_validated(tmp_path: Path) -> None:
    best = ModelCheckpoint(tmp_path, monitor="val_loss", mode="max", save_weights_only=False, filename="best")
    module = Judged([*LOSSES, 8, 10, 7])
    fit(module, best, NTASGD(nonmono=2), max_steps=20, enable_checkpointing=True)
    found = checkpoint(Path(best.best_model_path))
    assert found["global_step"] == 16
    assert same(found["state_dict"], module.validated[8])


def test_a_checkpoint_of_weights_alone_would_not_be_what_was_validated(tmp_path: Path) -> None:
    """Lightning asks no callback when it saves one: it would hold the live weights."""
    best = ModelCheckpoint(tmp_path, monitor="val_loss", save_weights_only=True)
    with pytest.raises(UserError, match=r"^NTASGD: [^\n]*save_weights_only[^\n]*$"):
        fit(Judged(LOSSES), best, NTASGD(), enable_checkpointing=True)


@pytest.mark.filterwarnings("ignore:.*callbacks used to create the checkpoint need to be provided:UserWarning")
@pytest.mark.parametrize("with_callback", [False, True])
def test_testing_a_checkpoint_tests_the_averages(tmp_path: Path, with_callback: bool) -> None:
    module = Judged(LOSSES)
    run = fit(module, NTASGD(nonmono=2), max_steps=16)
    run.save_checkpoint(tmp_path / "16.ckpt")
    averages = by_asgd(SWITCH, 16)[1][-1]
    other = Judged(LOSSES)
    callbacks = [NTASGD(nonmono=2)] if with_callback else []
    tester = tiny_trainer(callbacks, limit_val_batches=1.0)
    (metrics,) = tester.test(other, data(), ckpt_path=tmp_path / "16.ckpt", verbose=False)
    assert near(weights(other), averages)
    tester.validate(other, data(), ckpt_path=tmp_path / "16.ckpt", verbose=False)
    assert near(other.validated[-1], averages)
    (of_the_model,) = tiny_trainer().test(module, data(), verbose=False)
    assert metrics == of_the_model


@pytest.mark.parametrize("stop", [4, 9, SWITCH, SWITCH + 1, SWITCH + 2, 13, 16])
def test_resumed_anywhere_it_goes_on(tmp_path: Path, stop: int) -> None:
    whole, callback = Judged(LOSSES), NTASGD(nonmono=2)
    fit(whole, callback, max_steps=18)

    def save(run: Trainer, module: Judged) -> None:
        if run.global_step == stop and not run.sanity_checking:
            run.save_checkpoint(tmp_path / "now.ckpt")

    first = Judged(LOSSES)
    fit(first, NTASGD(nonmono=2), Probe(on_train_batch_end=save, on_validation_end=save), max_steps=18)
    assert same(weights(first), weights(whole)), "saving changed the training"
    rest, again = Judged(LOSSES[stop // 2 :] or LOSSES[-1:]), NTASGD(nonmono=2)
    fit(rest, again, path=tmp_path / "now.ckpt", max_steps=18)
    assert same(weights(rest), weights(whole))
    assert (again.losses, again.triggered_at) == (callback.losses, callback.triggered_at)
    assert all(same(*pair) for pair in zip(rest.trained, whole.trained[stop:], strict=True))


def test_a_callback_that_has_averaged_goes_back_to_before_it_did(tmp_path: Path) -> None:
    def save(run: Trainer, module: Judged) -> None:
        if run.global_step == 5:
            run.save_checkpoint(tmp_path / "5.ckpt")

    whole, callback = Judged(LOSSES), NTASGD(nonmono=2)
    fit(whole, callback, Probe(on_train_batch_end=save), max_steps=18)
    rest = Judged(LOSSES[2:])
    fit(rest, callback, path=tmp_path / "5.ckpt", max_steps=18)
    assert same(rest.trained[0], whole.trained[5])
    assert same(weights(rest), weights(whole))


def test_a_second_training_begins_anew() -> None:
    callback, ends = NTASGD(nonmono=2), []
    for _ in range(2):
        module = Judged(LOSSES)
        fit(module, callback, max_steps=16)
        ends.append(weights(module))
        assert (callback.losses, callback.triggered_at) == (LOSSES[:5], SWITCH)
    assert same(*ends)


def test_a_training_made_longer_goes_on_with_the_live_weights() -> None:
    whole, module = Judged(LOSSES), Judged(LOSSES)
    fit(whole, NTASGD(nonmono=2), max_steps=18)
    run = fit(module, NTASGD(nonmono=2), max_steps=14)
    run.fit_loop.epoch_loop.max_steps = 18
    run.fit(module, data())
    assert near(module.trained[14], whole.trained[14])
