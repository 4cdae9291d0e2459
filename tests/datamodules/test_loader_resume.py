"""Trainings interrupted and resumed by Lightning see the batches that an uninterrupted one sees."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch import nn

from datamodules import TensorLoader

# Lightning 2.6.6 on torch 2.13.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

ROWS, BATCH = 14, 4  # four batches an epoch, the last one short
STEPS = 10  # two and a half epochs

# By iterations with validation at other moments than epoch ends (as experiments here run), by iterations without,
# by iterations with validation at epoch ends, and by epochs.
MODES = {
    "iterations, validation every 3": {
        "max_steps": STEPS, "max_epochs": -1, "val_check_interval": 3, "check_val_every_n_epoch": None,
    },
    "iterations, no validation": {"max_steps": STEPS, "max_epochs": -1, "limit_val_batches": 0},
    "iterations, validation every epoch": {"max_steps": STEPS, "max_epochs": -1},
    "epochs": {"max_epochs": 3},
}  # fmt: skip


class Recorder(LightningModule):
    """Records the rows of each training batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.seen: list[list[int]] = []

    def training_step(self, batch, batch_idx):
        self.seen.append(batch[0].tolist())
        return (self.weight - batch[0]).square().mean()

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Data(LightningDataModule):
    def train_dataloader(self):
        return TensorLoader((torch.arange(ROWS).float(),), BATCH, shuffle_seed=3)

    def val_dataloader(self):
        return TensorLoader((torch.arange(6).float(),), BATCH)


class SaveAlways(Callback):
    """Saves a checkpoint whenever the hook of this name is called."""

    def __init__(self, hook: str, folder: Path) -> None:
        self.saved: dict[Path, int] = {}  # checkpoint to number of batches seen
        setattr(self, hook, lambda trainer, module, *_: self._save(trainer, module, folder))

    def _save(self, trainer, module, folder):
        path = folder / f"{len(module.seen)}.ckpt"
        trainer.save_checkpoint(path)
        self.saved[path] = len(module.seen)


def fit(options: dict, *callbacks: Callback, resume: Path | None = None) -> tuple[list[list[int]], Trainer]:
    module = Recorder()
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=2,
        callbacks=list(callbacks),
        **options,
    )
    trainer.fit(module, Data(), ckpt_path=resume, weights_only=True if resume else None)
    return module.seen, trainer


def expected_stream() -> list[list[int]]:
    """Three epochs straight from a loader, without Lightning."""
    loader = Data().train_dataloader()
    return [ids.tolist() for _ in range(3) for (ids,) in loader]


HOOKS = ("on_train_batch_end", "on_validation_end", "on_train_epoch_end")
WHEN_SAVED = [(hook, mode) for hook in HOOKS for mode in MODES if "no validation" not in mode or "train" in hook]


@pytest.mark.parametrize(("hook", "mode"), WHEN_SAVED)
def test_resumed_at_any_checkpoint_the_same_batches_follow(hook, mode, tmp_path):
    saver = SaveAlways(hook, tmp_path)
    whole, _ = fit(MODES[mode], saver)
    assert whole == expected_stream()[: len(whole)]
    assert len(saver.saved) >= 2
    for path, count in saver.saved.items():
        rest, _ = fit(MODES[mode], resume=path)
        assert whole[:count] + rest == whole, f"resumed after batch {count}"


def test_a_training_that_ended_can_be_made_longer(tmp_path):
    options = MODES["iterations, validation every 3"]
    whole, _ = fit(options)
    for steps in range(1, STEPS):
        seen, trainer = fit({**options, "max_steps": steps})
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        rest, _ = fit(options, resume=tmp_path / "last.ckpt")
        assert seen + rest == whole, f"ended after batch {steps}"


@pytest.mark.parametrize("stops", [(2, 3, 4, 9), (4, 8), (1, 5, 6, 7, 8), (3, 4, 5)])
def test_interrupted_again_and_again_the_same_batches_follow(stops, tmp_path):
    class InterruptError(Exception):
        pass

    class Stop(Callback):
        def __init__(self, step: int) -> None:
            self.step = step

        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == self.step:
                trainer.save_checkpoint(tmp_path / "last.ckpt")
                raise InterruptError

    options = MODES["iterations, validation every 3"]
    seen, resume = [], None
    for step in stops:
        stop, module_seen = Stop(step), []
        with pytest.raises(InterruptError):
            fit(options, stop, _Mirror(module_seen), resume=resume)
        seen, resume = seen + module_seen, tmp_path / "last.ckpt"
    assert seen + fit(options, resume=resume)[0] == expected_stream()[:STEPS]


class _Mirror(Callback):
    """Records the batches of a training that ends with an exception."""

    def __init__(self, seen: list) -> None:
        self.seen = seen

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.seen.append(batch[0].tolist())
