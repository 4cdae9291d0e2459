"""The checkpoint to resume from: when it is written, and that it is whole at every instant."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import Probe, TinyData, TinyNet, tiny_trainer, with_validation
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from app.common.errors import Interrupted
from app.modules import Classifier
from callbacks import ResumeCheckpoint

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


def global_step(path: Path) -> int:
    return torch.load(path, weights_only=True)["global_step"]


def checkpoint_at(path: Path, **options: Any) -> ResumeCheckpoint:
    return ResumeCheckpoint(path, **{"every_seconds": 0.0} | options)


def fit_with(checkpoint: ResumeCheckpoint, *probes: Callback, steps: int = 5) -> Trainer:
    torch.manual_seed(0)
    trainer = tiny_trainer([checkpoint, *probes], max_steps=steps)
    trainer.fit(Classifier(TinyNet(), num_classes=3), TinyData())
    return trainer


def test_it_is_replaced_atomically_and_nothing_else_is_left(tmp_path: Path) -> None:
    path, seen = tmp_path / "last.ckpt", []

    def watch(trainer: Trainer, module: Classifier) -> None:
        save = trainer.save_checkpoint

        def watched(target: Path, *arguments: Any) -> None:
            before = path.read_bytes() if path.exists() else None
            save(target, *arguments)
            # The new one is whole before it takes the name of the old one.
            assert target != path
            assert target.parent == path.parent
            assert (path.read_bytes() if path.exists() else None) == before
            seen.append(global_step(target))

        trainer.save_checkpoint = watched

    def look(*_: Any) -> None:
        assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"] or not seen

    fit_with(checkpoint_at(path), Probe(on_train_start=watch, on_train_batch_end=look, on_train_end=look))
    assert seen == [1, 2, 3, 4]
    assert global_step(path) == 4


@pytest.mark.parametrize("written", [0, 100])
def test_a_full_disk_leaves_the_file_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int) -> None:
    path, asked = tmp_path / "last.ckpt", iter(range(100))
    with pytest.raises(Interrupted):
        fit_with(checkpoint_at(path, every_seconds=1e9, stop=lambda: next(asked) == 2))
    before = path.read_bytes()

    def full(trainer: Trainer, target: Path, *_: Any) -> None:
        Path(target).write_bytes(b"x" * written)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Trainer, "save_checkpoint", full)
    with pytest.raises(OSError, match="No space left"):
        fit_with(checkpoint_at(path))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_nothing_is_saved_once_all_is_done(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    fit_with(checkpoint_at(path), steps=1)
    assert not path.exists()
    fit_with(checkpoint_at(path, stop=lambda: False), steps=2)
    assert global_step(path) == 1


def test_the_first_iteration_is_saved_only_when_due(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    fit_with(ResumeCheckpoint(path, every_seconds=60))
    assert not path.exists()


def test_saves_come_when_they_are_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, now, saved = tmp_path / "last.ckpt", [100.0], []
    monkeypatch.setattr("callbacks.resume_checkpoint.time.monotonic", lambda: now[0])

    def pass_time(trainer: Trainer, module: Classifier) -> None:
        now[0] += 2.0

    def note(trainer: Trainer, module: Classifier) -> None:
        if path.exists():
            saved.append(global_step(path))

    checkpoint = ResumeCheckpoint(path, every_seconds=5)
    fit_with(checkpoint, Probe(on_train_batch_start=pass_time, on_train_batch_end=note), steps=8)
    assert saved == [3, 3, 3, 6, 6, 6]  # 2, 4, 6 seconds


def test_a_file_without_random_numbers_of_ours_is_read_as_well(tmp_path: Path) -> None:
    trainer = tiny_trainer(max_steps=2)
    trainer.fit(Classifier(TinyNet(), num_classes=3), TinyData())
    trainer.save_checkpoint(tmp_path / "plain.ckpt")
    trainer = tiny_trainer([checkpoint_at(tmp_path / "last.ckpt")], max_steps=4)
    trainer.fit(Classifier(TinyNet(), num_classes=3), TinyData(), ckpt_path=tmp_path / "plain.ckpt")
    assert trainer.global_step == 4


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning")
def test_the_score_of_the_best_is_loaded(tmp_path: Path) -> None:
    """Which ModelCheckpoint saves, but loads only in part: a run killed after its best one would end with None."""
    ends, path = [], tmp_path / "last.ckpt"
    for steps in (4, 6):
        best = ModelCheckpoint(tmp_path, "best", monitor="fixed", enable_version_counter=False)
        probe = Probe(on_validation_epoch_end=lambda trainer, module: module.log("fixed", 1.0))
        callbacks, lengths = [probe, best, checkpoint_at(path, keep=True)], {"max_steps": steps} | with_validation(2)
        trainer = tiny_trainer(callbacks, enable_checkpointing=True, **lengths)
        trainer.fit(Classifier(TinyNet(), num_classes=3), TinyData(), ckpt_path=path if path.exists() else None)
        ends.append(best.state_dict() | {"step": trainer.global_step})
    assert [end["step"] for end in ends] == [4, 6]
    assert ends[0]["current_score"] == ends[1]["current_score"] == 1.0


def test_validating_and_testing_save_nothing(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    checkpoint = checkpoint_at(path, stop=lambda: True)
    trainer = tiny_trainer([checkpoint], **with_validation(2))
    module = Classifier(TinyNet(), num_classes=3)
    trainer.validate(module, TinyData(), verbose=False)
    trainer.test(module, TinyData(), verbose=False)
    assert not path.exists()
