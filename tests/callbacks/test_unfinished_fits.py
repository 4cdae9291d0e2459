"""A fit that an exception ended is begun again by the next one, to the very result that it would have had."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.pruning import STEPS, StoppedError, draw
from helpers.tiny import RATES, Probe, TinyData, TinyModule, TinyNet, same, tiny_trainer, weights, with_validation
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, OnExceptionCheckpoint, StochasticWeightAveraging
from torch.optim import Adam

from app.common.errors import UserError
from callbacks import IterativePruningCallback

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning"),
]


def failing(hook: str, step: int = 0) -> Probe:
    """Fails once, at a hook of the iteration after `step`."""
    failed = []

    def fail(trainer: Trainer, _: LightningModule) -> None:
        if trainer.global_step >= step and not failed:
            failed.append(step)
            raise StoppedError

    if hook == "setup":
        return Setup(fail)
    return Probe(**{hook: fail})


class Setup(Callback):
    """Calls a function before the fit."""

    def __init__(self, call: Callable[[Trainer, LightningModule], None]) -> None:
        self.call = call

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.call(trainer, pl_module)


def rounds(
    rewind_to: str, failures: dict[int, Probe], *, one_trainer: bool = False, anew: bool = False
) -> tuple[list[Any], list[Any], int]:
    """Ends and masks of three rounds, some of which fail at first."""
    torch.manual_seed(0)
    module, data = TinyModule(TinyNet(dropout=0.3, norm=True)), TinyData()
    one = Adam(module.parameters(), lr=0.05)
    module.configure = lambda module: Adam(module.parameters(), lr=0.05) if anew else one
    pruning, trainer, ends, masks = IterativePruningCallback(RATES, rewind_to=rewind_to), None, [], []
    for round in range(3):
        while len(ends) == round:
            probes = [failures[round]] if round in failures else []
            if trainer is None or not one_trainer:
                trainer = tiny_trainer([pruning, *probes, *(failures.values() if one_trainer else ())], max_steps=STEPS)
            try:
                trainer.fit(module, data)
            except StoppedError:
                torch.rand(3)  # what a user may do then
                if anew:
                    module = TinyModule(TinyNet(dropout=0.3, norm=True))
            else:
                ends.append(weights(module))
                masks.append(dict(pruning.masks))
    return ends, masks, pruning.round


@functools.cache
def uninterrupted(rewind_to: str) -> tuple[list[Any], list[Any], int]:
    return rounds(rewind_to, {})


def check(rewind_to: str, failures: dict[int, Probe], **options: bool) -> None:
    ends, masks, number = rounds(rewind_to, failures, **options)
    expected_ends, expected_masks, _ = uninterrupted(rewind_to)
    assert number == 2
    assert all(map(same, masks, expected_masks))
    assert all(map(same, ends, expected_ends))


@pytest.mark.parametrize("rewind_to", ["0it", "5it"])
@pytest.mark.parametrize(
    ("round", "hook", "step"),
    [
        *((round, "on_train_batch_end", step) for round in (0, 2) for step in (1, 8)),
        *((1, hook, 0) for hook in ("setup", "on_fit_start", "on_train_start")),
        *((1, hook, 10) for hook in ("on_train_epoch_end", "on_train_end")),
    ],
)
def test_a_failed_fit_is_begun_again(rewind_to: str, round: int, hook: str, step: int) -> None:
    check(rewind_to, {round: failing(hook, step)})


@pytest.mark.parametrize("rewind_to", ["0it", "5it"])
def test_a_failed_fit_of_one_trainer_is_begun_again(rewind_to: str) -> None:
    check(rewind_to, {0: failing("on_train_batch_end", 8)}, one_trainer=True)


def test_a_module_made_anew_after_a_failure_starts_where_the_first_one_did() -> None:
    expected, _, _ = rounds("5it", {}, anew=True)
    ends, _, _ = rounds("5it", {0: failing("on_train_batch_end", 3), 2: failing("on_train_batch_end", 3)}, anew=True)
    assert all(map(same, ends, expected))


def test_early_stopping_and_checkpoints_begin_again_too(tmp_path: Path) -> None:
    results = []
    for number, failures in enumerate([(), (failing("on_validation_end", 6),)]):
        torch.manual_seed(0)
        module, pruning = TinyModule(), IterativePruningCallback(RATES)
        stopping = EarlyStopping("val_loss", patience=3, min_delta=100)
        saving = ModelCheckpoint(tmp_path / str(number), monitor="val_loss", save_on_train_epoch_end=False)
        for attempt in range(2 + len(failures)):
            trainer = tiny_trainer(
                [stopping, pruning, saving, *failures], enable_checkpointing=True, max_steps=20, **with_validation(2)
            )
            try:
                trainer.fit(module, TinyData())
            except StoppedError:
                assert attempt == 0
        results.append((weights(module), saving.best_model_score, trainer.global_step, pruning.round))
    assert same(results[0][0], results[1][0])
    assert results[0][1:] == results[1][1:]
    assert results[0][2:] == (8, 1)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")
@pytest.mark.parametrize("step", [3, 10, 16])  # before the averages, in their epochs, in that of the batch norms
def test_an_averaging_that_failed_leaves_no_trace_in_a_trainer(step: int) -> None:
    results = []
    for fails in (False, True):
        torch.manual_seed(0)
        module, pruning, steps = TinyModule(TinyNet(norm=True)), IterativePruningCallback(RATES), []
        count = Probe(on_train_batch_end=lambda trainer, _, steps=steps: steps.append(trainer.current_epoch))
        averaging = StochasticWeightAveraging(swa_lrs=0.05, swa_epoch_start=1, annealing_epochs=1)
        failed: list[int] = []

        def fail(*_: Any, fails: bool = fails, failed: list[int] = failed, steps: list[int] = steps) -> None:
            if fails and not failed and len(steps) == step:
                failed.append(step)
                raise StoppedError

        trainer = tiny_trainer([pruning, averaging, count, Probe(on_train_batch_start=fail)], max_epochs=2)
        while pruning.round < 1 or not pruning.trained:
            try:
                trainer.fit(module, TinyData())
            except StoppedError:
                steps.clear()
        results.append((weights(module), steps, trainer.max_epochs, trainer.accumulate_grad_batches))
    assert same(results[0][0], results[1][0])
    assert results[0][1:] == results[1][1:]
    assert results[0][1] == 2 * (7 * [0] + 7 * [1] + 7 * [2])
    assert results[0][2:] == (2, 1)


def test_half_trained_weights_are_not_pruned_by_hand(module: TinyModule) -> None:
    pruning = IterativePruningCallback(RATES)
    with pytest.raises(StoppedError):
        draw(pruning, module, 1, failing("on_train_batch_end", 4))
    with pytest.raises(UserError, match="training of round 0 has not come to its end; fit again first"):
        pruning.next_round(module)


def test_a_failed_fit_may_be_resumed_instead(tmp_path: Path, module: TinyModule) -> None:
    """Lightning resumes from the file that `OnExceptionCheckpoint` leaves, also without `ckpt_path`."""
    expected, pruning = TinyModule(), IterativePruningCallback(RATES)
    expected.load_state_dict(module.state_dict())
    draw(pruning, expected, 2)

    pruning, steps = IterativePruningCallback(RATES), []
    failure = failing("on_train_batch_end", 4)
    count = Probe(on_train_batch_start=lambda trainer, _: steps.append(trainer.global_step))
    for attempt in range(3):
        callbacks = [pruning, count, failure, OnExceptionCheckpoint(tmp_path, "failed")]
        trainer = tiny_trainer(callbacks, max_steps=STEPS, enable_checkpointing=True)
        try:
            with pytest.warns(UserWarning, match="ckpt_path"):
                trainer.fit(module, TinyData())
        except StoppedError:
            assert attempt == 0
    assert steps == [*range(4), *range(4, STEPS), *range(STEPS)]
    assert pruning.round == 1
    assert same(weights(module), weights(expected))


def test_a_resumed_fit_that_fails_has_to_be_resumed_again_if_its_start_is_not_known(tmp_path: Path) -> None:
    module, pruning = TinyModule(), IterativePruningCallback(RATES, rewind_to="8it")
    saving = Probe(on_train_batch_end=lambda trainer, _: trainer.save_checkpoint(tmp_path / f"{trainer.global_step}"))
    draw(pruning, module, 1, saving)
    module, pruning = TinyModule(), IterativePruningCallback(RATES, rewind_to="8it")
    with pytest.raises(StoppedError):
        tiny_trainer([pruning, failing("on_train_batch_end", 5)], max_steps=STEPS).fit(
            module, TinyData(), ckpt_path=tmp_path / "3"
        )
    with pytest.raises(UserError, match="weights that it began with are in another process; resume it") as raised:
        draw(pruning, module, 1)
    assert "\n" not in str(raised.value)
    tiny_trainer([pruning], max_steps=STEPS).fit(module, TinyData(), ckpt_path=tmp_path / "3")
    draw(pruning, module, 1)
    assert pruning.round == 1


@pytest.mark.parametrize(("rewind_to", "stop"), [("0it", 7), ("5it", 7), ("0it", 1)])
def test_a_script_begun_again_goes_on_from_the_last_checkpoint_of_each_round(
    tmp_path: Path, rewind_to: str, stop: int
) -> None:
    """`ckpt_path="last"` in every fit: finished rounds have nothing left to train, and count as trained."""

    def script(folder: Path, *callbacks: Any) -> tuple[Any, Any, list[int]]:
        torch.manual_seed(0)
        module, data, pruning = TinyModule(), TinyData(), IterativePruningCallback(RATES, rewind_to=rewind_to)
        steps: list[int] = []
        count = Probe(on_train_batch_end=lambda trainer, _: steps.append(trainer.global_step))
        for round in range(3):
            saving = ModelCheckpoint(folder / str(round), save_last=True, every_n_train_steps=2)
            trainer = tiny_trainer([pruning, count, saving, *callbacks], enable_checkpointing=True, max_steps=STEPS)
            trainer.fit(module, data, ckpt_path="last")
        return weights(module), pruning.masks, steps

    with pytest.warns(UserWarning, match="there is no last checkpoint"):
        expected, masks, _ = script(tmp_path / "whole")

    class InRoundOne(Probe):
        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            if trainer.global_step == stop and "1" in trainer.checkpoint_callback.dirpath[-1]:
                raise StoppedError

    with pytest.warns(UserWarning, match="there is no last checkpoint"), pytest.raises(StoppedError):
        script(tmp_path / "halves", InRoundOne())
    with pytest.warns(UserWarning, match="there is no last checkpoint"):
        ended, ours, steps = script(tmp_path / "halves")
    assert steps == [*range(stop, STEPS + 1), *range(1, STEPS + 1)]
    assert same(ended, expected)
    assert same(ours, masks)


def test_a_checkpoint_past_the_rewind_point_without_a_ticket_is_refused(tmp_path: Path, module: TinyModule) -> None:
    trainer = tiny_trainer(max_steps=4)
    trainer.fit(module, TinyData())
    trainer.save_checkpoint(tmp_path / "4.ckpt")
    tickets = tiny_trainer([IterativePruningCallback(RATES, rewind_to="2it")], max_steps=STEPS)
    with pytest.raises(UserError, match="is of iteration 4 and holds no weights of 2it") as raised:
        tickets.fit(module, TinyData(), ckpt_path=tmp_path / "4.ckpt")
    assert "\n" not in str(raised.value)
    later = IterativePruningCallback(RATES, rewind_to="6it")
    tiny_trainer([later], max_steps=STEPS).fit(module, TinyData(), ckpt_path=tmp_path / "4.ckpt")
    draw(later, module, 1)
    assert later.round == 1
    with pytest.raises(UserError, match="holds no ticket, and this callback has pruned already"):
        tiny_trainer([later], max_steps=STEPS).fit(module, TinyData(), ckpt_path=tmp_path / "4.ckpt")
