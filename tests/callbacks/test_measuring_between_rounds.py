"""Tests, validations and predictions between two rounds leave the lottery as it is, whatever they load."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.pruning import STEPS, SURVIVORS, counts, draw
from helpers.tiny import RATES, TinyData, TinyModule, same, tiny_trainer, weights, with_validation
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from callbacks import IterativePruningCallback

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning"),
]


class Predicts(TinyModule):
    """Has all steps."""

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self.net(batch[0])


class PredictData(TinyData):
    """Has all loaders."""

    def predict_dataloader(self) -> Any:
        return self.test_dataloader()


def checkpoint(folder: Path, **arguments: Any) -> ModelCheckpoint:
    # The best validation is the first, so that best and last differ.
    options = {"monitor": "val_loss", "mode": "max", "save_last": True, "save_on_train_epoch_end": False}
    return ModelCheckpoint(folder, **options | arguments)


def lottery(folder: Path, measure: str | None, path: str | None, rounds: int = 3, **arguments: Any) -> Any:
    """Ends, masks and rounds of a user's loop that measures after every fit."""
    torch.manual_seed(0)
    module, data, pruning = Predicts(), PredictData(), IterativePruningCallback(RATES)
    ends, masks, numbers = [], [], []
    for round in range(rounds):
        saving = checkpoint(folder / f"{measure}-{path}-{round}", **arguments)
        trainer = tiny_trainer([pruning, saving], enable_checkpointing=True, max_steps=STEPS, **with_validation(3))
        trainer.fit(module, data)
        ends.append(weights(module))
        masks.append(dict(pruning.masks))
        if measure == "predict":
            trainer.predict(module, data, ckpt_path=path)
        elif measure is not None:
            getattr(trainer, measure)(module, data, ckpt_path=path, verbose=False)
        if path == "best":
            assert not same(weights(module), ends[-1]), "best and last are the same: nothing is tested"
        numbers.append(pruning.round)
    return ends, masks, numbers


@pytest.fixture(scope="module")
def unmeasured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Ends and masks of a loop that measures nothing."""
    return lottery(tmp_path_factory.mktemp("unmeasured"), None, None)[:2]


@pytest.mark.parametrize(
    ("measure", "path"), [("test", "best"), ("validate", "best"), ("predict", "best"), ("test", "last")]
)
def test_a_checkpoint_that_is_measured_changes_no_round(
    tmp_path: Path, measure: str, path: str, unmeasured: tuple[Any, Any]
) -> None:
    ends, masks, numbers = lottery(tmp_path, measure, path)
    expected_ends, expected_masks = unmeasured
    assert numbers == [0, 1, 2]
    assert [counts(each) for each in masks] == SURVIVORS[:3]
    assert all(map(same, masks, expected_masks))
    assert all(map(same, ends, expected_ends))


def test_a_checkpoint_without_callbacks_changes_no_round(tmp_path: Path, unmeasured: tuple[Any, Any]) -> None:
    ends, masks, _ = lottery(tmp_path, "test", "best", save_weights_only=True)
    expected_ends, expected_masks = unmeasured
    assert all(map(same, masks, expected_masks))
    assert all(map(same, ends, expected_ends))


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`:UserWarning")
def test_a_checkpoint_of_other_options_may_be_measured(tmp_path: Path, module: TinyModule) -> None:
    others = IterativePruningCallback(RATES | {"fc": 0.5})
    trainer = tiny_trainer([others], max_steps=STEPS)
    trainer.fit(TinyModule(), TinyData())
    trainer.save_checkpoint(tmp_path / "others.ckpt")
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 2)
    tiny_trainer([pruning]).test(module, TinyData(), ckpt_path=tmp_path / "others.ckpt", verbose=False)
    draw(pruning, module, 1)
    assert (pruning.round, counts(pruning.masks)) == (2, SURVIVORS[2])


def test_a_measurement_that_fails_changes_no_round(tmp_path: Path, module: TinyModule) -> None:
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 1)
    with pytest.raises(FileNotFoundError):
        tiny_trainer([pruning]).test(module, TinyData(), ckpt_path=tmp_path / "none.ckpt", verbose=False)
    state = pruning.state_dict() | {"round": 7}
    pruning.load_state_dict(state)  # by hand, it counts again
    assert pruning.round == 7


def test_weights_loaded_by_hand_are_the_ones_that_are_pruned(module: TinyModule) -> None:
    """Whoever calls `next_round` prunes the weights that the module has."""
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 1)
    with torch.no_grad():
        module.net.fc.weight.copy_(torch.arange(48.0).view(8, 6))
    pruning.next_round(module)
    assert not pruning.masks["net.fc.weight"].flatten()[:14].any()
    assert pruning.masks["net.fc.weight"].flatten()[14:].all()


def test_weights_changed_in_place_between_two_fits_are_the_ones_that_are_pruned(module: TinyModule) -> None:
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 1)
    with torch.no_grad():
        module.net.fc.weight.copy_(torch.arange(48.0).view(8, 6))
    draw(pruning, module, 1)
    assert not pruning.masks["net.fc.weight"].flatten()[:14].any()


def test_a_module_that_is_made_anew_for_every_round_has_the_trained_weights() -> None:
    results = []
    for anew in (False, True):
        torch.manual_seed(0)
        module, pruning = TinyModule(), IterativePruningCallback(RATES)
        for _ in range(3):
            draw(pruning, module, 1)
            ended = module
            if anew:
                module = TinyModule()
        results.append((weights(ended), pruning.masks))
    assert same(results[0][0], results[1][0])
    assert same(results[0][1], results[1][1])
