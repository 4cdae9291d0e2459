"""Callbacks of Lightning that a user's loop shares between rounds do as new ones in every round."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.pruning import SURVIVORS, counts, masked
from helpers.tiny import RATES, Probe, TinyData, TinyModule, TinyNet, same, tiny_trainer, weights, with_validation
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import (
    EMAWeightAveraging,
    ModelCheckpoint,
    StochasticWeightAveraging,
    WeightAveraging,
)
from torch import Tensor
from torch.optim import SGD

from callbacks import NTASGD, IterativePruningCallback

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning"),
]
EPOCHS = 2


def checkpoint(folder: Path) -> ModelCheckpoint:
    options = {"monitor": "val_loss", "save_last": True, "save_on_train_epoch_end": False}
    return ModelCheckpoint(folder, filename="{step}-{val_loss:.4f}", **options)


def trained_with(
    make: Callable[[int], Callback], *, shared: bool, one_trainer: bool = False, first: bool = False, norm: bool = False
) -> Any:
    """What three rounds end with, and their callbacks, if there is one callback for all or one for each."""
    torch.manual_seed(0)
    module, data = TinyModule(TinyNet(norm=norm)), TinyData()
    module.configure = lambda module: SGD(module.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    pruning, callback, trainer, ends, notes = IterativePruningCallback(RATES), None, None, [], []
    for round in range(3):
        callback = make(round) if callback is None or not shared else callback
        present = [callback, pruning] if first else [pruning, callback]
        if trainer is None or not one_trainer:
            trainer = tiny_trainer(
                present, enable_checkpointing=isinstance(callback, ModelCheckpoint), max_epochs=EPOCHS,
                **with_validation(2),
            )  # fmt: skip
        trainer.fit(module, data)
        assert pruning.round == round
        assert {name: int((module.get_parameter(name) != 0).sum()) for name in pruning.masks} == counts(pruning.masks)
        ends.append(weights(module))
        notes.append(note(callback))
    assert counts(pruning.masks) == SURVIVORS[2]
    return ends, notes


def note(callback: Callback) -> Any:
    if not isinstance(callback, ModelCheckpoint):
        return None
    best, last = Path(callback.best_model_path), Path(callback.last_model_path)
    saved = torch.load(best, weights_only=True)["state_dict"], torch.load(last, weights_only=True)["state_dict"]
    return callback.best_model_score, best.stem.split("-v")[0], last.stem.split("-v")[0], *saved


@pytest.mark.parametrize("one_trainer", [False, True])
def test_one_model_checkpoint_for_all_rounds_saves_each_round_s_best(tmp_path: Path, one_trainer: bool) -> None:
    shared = tmp_path / "shared"
    ends, notes = trained_with(lambda _: checkpoint(shared), shared=True, one_trainer=one_trainer)
    expected_ends, expected = trained_with(lambda round: checkpoint(tmp_path / str(round)), shared=False)
    assert all(map(same, ends, expected_ends))
    for ours, theirs in zip(notes, expected, strict=True):
        assert ours[:3] == theirs[:3]
        assert same(ours[3], theirs[3])
        assert same(ours[4], theirs[4])
    # The files of the rounds before stay.
    assert len(list(shared.glob("last*.ckpt"))) == 3
    assert len(list(shared.glob("step*.ckpt"))) == 3


def test_best_is_loaded_from_the_round_that_was_just_trained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, data, pruning = TinyModule(), TinyData(), IterativePruningCallback(RATES)
    saving = checkpoint(tmp_path)
    trainer = tiny_trainer([pruning, saving], enable_checkpointing=True, max_epochs=EPOCHS, **with_validation(3))
    for round in range(3):
        trainer.fit(module, data)
        trainer.test(module, data, ckpt_path="best", verbose=False)
        assert {name: int((module.get_parameter(name) != 0).sum()) for name in pruning.masks} == SURVIVORS[round]


class FromTheMiddle(WeightAveraging):
    """Averages the last steps only, as `should_update` of Lightning's example."""

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return step_idx is not None and step_idx >= 8


class NeverAveraging(WeightAveraging):
    """Never has an average."""

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return False


AVERAGING: dict[str, Callable[[int], Callback]] = {
    "weight averaging": lambda _: WeightAveraging(),
    "without buffers": lambda _: WeightAveraging(use_buffers=False),
    "from the middle": lambda _: FromTheMiddle(),
    "EMA": lambda _: EMAWeightAveraging(decay=0.9, update_starting_at_step=4),
    "SWA": lambda _: StochasticWeightAveraging(swa_lrs=0.05, swa_epoch_start=1, annealing_epochs=1),
    "NT-ASGD": lambda _: NTASGD(nonmono=1),
}


@functools.cache
def without_averages(norm: bool) -> dict[str, Tensor]:
    return trained_with(lambda _: Callback(), shared=False, norm=norm)[0][2]


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")
@pytest.mark.filterwarnings("ignore:Swapping scheduler:UserWarning")
@pytest.mark.parametrize(
    ("name", "first", "norm"),
    [
        *(("weight averaging", first, not first) for first in (False, True)),
        *(("SWA", first, not first) for first in (False, True)),
        ("without buffers", True, True),
        ("from the middle", True, False),
        ("EMA", False, True),
        ("NT-ASGD", False, False),
    ],
)
def test_averages_begin_anew_in_every_round(name: str, first: bool, norm: bool) -> None:
    ends, _ = trained_with(AVERAGING[name], shared=True, first=first, norm=norm)
    expected, _ = trained_with(AVERAGING[name], shared=False, first=first, norm=norm)
    assert all(map(same, ends, expected))
    assert not same(ends[2], without_averages(norm)), "nothing was averaged"


@pytest.mark.parametrize("first", [False, True])
def test_an_average_that_is_never_updated_is_the_ticket_s_start(first: bool) -> None:
    """Lightning ends such a training with the weights that it began with; they are not the dense ones."""
    ends, _ = trained_with(lambda _: NeverAveraging(), shared=True, first=first)
    dense, ticket = ends[0], ends[1]
    kept = ticket["net.fc.weight"] != 0
    assert int(kept.sum()) == SURVIVORS[1]["net.fc.weight"]
    assert ticket["net.fc.weight"][kept].equal(dense["net.fc.weight"][kept])


@pytest.mark.parametrize("first", [False, True])
def test_validations_before_the_first_average_see_the_ticket(module: TinyModule, first: bool) -> None:
    pruning, initial = IterativePruningCallback(RATES), weights(module)
    for round in range(3):
        seen: list[dict[str, Tensor]] = []
        look = Probe(on_validation_batch_start=lambda _, module, seen=seen: seen.append(weights(module)))
        callbacks = [FromTheMiddle(), pruning, look] if first else [pruning, FromTheMiddle(), look]
        tiny_trainer(callbacks, max_steps=20, **with_validation(5)).fit(module, TinyData())
        assert same(seen[0], masked(initial, pruning.masks)), f"round {round}"
        assert not same(seen[-1], seen[0])
