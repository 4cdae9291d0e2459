"""Language models interrupted and resumed by Lightning see the windows that an uninterrupted one sees."""

from pathlib import Path

import pytest
import torch
from helpers.tiny import tiny_trainer
from lightning.pytorch import Callback, LightningModule
from torch import nn

from app.common.errors import Interrupted
from app.common.vocabulary import EOS, Vocabulary
from callbacks import ResumeCheckpoint
from datamodules import TextDataModule, Window
from datamodules.text import Corpus

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

VALIDATING = {"limit_val_batches": 1.0, "num_sanity_val_steps": 2}
# The number of windows of each epoch.
WINDOWS = [6, 4, 5]
STEPS = 14
MODES = {
    "iterations, no validation": {"max_steps": STEPS},
    "iterations, validation every epoch": {"max_steps": STEPS, "max_epochs": -1, **VALIDATING},
    "iterations, validation every 3": {
        "max_steps": STEPS, "max_epochs": -1, "val_check_interval": 3, "check_val_every_n_epoch": None, **VALIDATING,
    },
    "epochs, no validation": {"max_epochs": 3},
    "epochs, validation every epoch": {"max_epochs": 3, **VALIDATING},
    "epochs, validation within them": {"max_epochs": 3, "val_check_interval": 2, **VALIDATING},
}  # fmt: skip
by_mode = pytest.mark.parametrize("mode", MODES)


class Words(TextDataModule):
    """Texts in which all words differ."""

    def read(self) -> Corpus:
        streams = {"train": torch.arange(2 * 80), "val": torch.arange(30), "test": torch.arange(30)}
        return Corpus(Vocabulary([EOS]), streams, {})


class Reader(LightningModule):
    """Writes down the epoch, the words and the drawn length of each training window, and each validation."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[int, list[list[int]], int]] = []
        self.validated: list[int] = []

    def training_step(self, batch: Window, batch_idx):
        assert torch.equal(batch.targets, batch.inputs + 1)
        self.seen.append((self.current_epoch, batch.inputs.tolist(), batch.drawn))
        return (self.weight - batch.inputs.float().mean()).square()

    def validation_step(self, batch: Window, batch_idx):
        if batch_idx == 0 and not self.trainer.sanity_checking:
            self.validated.append(self.global_step)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.001)


def fit(mode: str, *callbacks: Callback, resume: Path | None = None) -> tuple[Reader, bool]:
    """Returns the module and whether the training was completed."""
    module, data = Reader(), Words(batch_size=2, val_batch_size=3, bptt=20, seed=15)
    trainer = tiny_trainer(callbacks, **MODES[mode])
    resume = resume if resume and resume.exists() else None
    try:
        trainer.fit(module, data, ckpt_path=resume, weights_only=True if resume else None)
    except Interrupted:
        return module, False
    return module, True


def straight_from_the_loader(count: int) -> list[tuple[int, list[list[int]], int]]:
    """Without Lightning."""
    data = Words(batch_size=2, bptt=20, seed=15)
    data.prepare()
    loader = data.train_dataloader()
    windows = [(epoch, w.inputs.tolist(), w.drawn) for epoch in range(3) for w in loader]
    return windows[:count]


@by_mode
def test_a_process_for_every_iteration(mode, tmp_path):
    whole, _ = fit(mode)
    assert whole.seen == straight_from_the_loader(STEPS if "iterations" in mode else sum(WINDOWS))
    seen, validated, path = [], [], tmp_path / "last.ckpt"
    for _ in range(len(whole.seen) + 1):
        module, ended = fit(mode, ResumeCheckpoint(path, every_seconds=0, stop=lambda: True), resume=path)
        seen, validated = seen + module.seen, validated + module.validated
        if ended:
            break
    assert ended
    assert seen == whole.seen
    assert validated == whole.validated


class SaveAlways(Callback):
    """Saves a checkpoint whenever the hook of this name is called."""

    def __init__(self, hook: str, folder: Path) -> None:
        self.saved: dict[Path, int] = {}  # checkpoint to number of windows trained on
        setattr(self, hook, lambda trainer, module, *_: self._save(trainer, module, folder))

    def _save(self, trainer, module, folder):
        if not trainer.sanity_checking:
            path = folder / f"{len(module.seen)}.ckpt"
            trainer.save_checkpoint(path)
            self.saved[path] = len(module.seen)


HOOKS = ("on_train_batch_end", "on_validation_end", "on_train_epoch_end")
WHEN_SAVED = [(hook, mode) for hook in HOOKS for mode in MODES if "no validation" not in mode or "train" in hook]


@pytest.mark.parametrize(("hook", "mode"), WHEN_SAVED)
def test_resumed_at_any_checkpoint_the_same_windows_follow(hook, mode, tmp_path):
    saver = SaveAlways(hook, tmp_path)
    whole, _ = fit(mode, saver)
    assert len(saver.saved) >= 2
    words = [(inputs, drawn) for _, inputs, drawn in whole.seen]
    for path, count in saver.saved.items():
        rest, _ = fit(mode, resume=path)
        assert words[:count] + [(inputs, drawn) for _, inputs, drawn in rest.seen] == words, f"resumed after {count}"


def test_the_epochs_differ_in_their_number_of_windows():
    epochs = [epoch for epoch, _, _ in straight_from_the_loader(99)]
    assert [epochs.count(epoch) for epoch in range(3)] == WINDOWS
