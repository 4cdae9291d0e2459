"""Which checkpoint a training goes on from, where files are damaged in every way."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from app.runs.layout import TrainingLayout
from app.training.resume_point import resume_point


def checkpoint(iteration: int, **changes: Any) -> dict[str, Any]:
    whole = {
        "epoch": 2,
        "global_step": iteration,
        "pytorch-lightning_version": "2.6.0",
        "state_dict": {"net.weight": torch.randn(500)},
        "loops": {"fit_loop": {"epoch_progress": {"current": {"ready": 3}}}},
        "callbacks": {},
        "optimizer_states": [],
        "lr_schedulers": [],
    }
    return {name: value for name, value in (whole | changes).items() if value is not None}


@pytest.fixture
def files(tmp_path: Path) -> TrainingLayout:
    """A training that is saved at iterations 10 and 20 and was best before."""
    files = TrainingLayout(tmp_path)
    torch.save(checkpoint(10), files.previous)
    torch.save(checkpoint(20), files.last)
    torch.save(checkpoint(5), files.best)
    return files


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def end_zeros(path: Path) -> None:
    half = path.stat().st_size // 2
    path.write_bytes(path.read_bytes()[:half] + bytes(half))


def one_bit(path: Path) -> None:
    """In the weights, where torch notices nothing."""
    with zipfile.ZipFile(path) as archive:
        weights = next(each for each in archive.infolist() if each.filename.endswith("/data/0"))
    data = bytearray(path.read_bytes())
    data[weights.header_offset + 200] ^= 1
    path.write_bytes(data)


def text(path: Path) -> None:
    path.write_text("hello\nworld\n")


def no_loops(path: Path) -> None:
    torch.save(checkpoint(20, loops=None), path)


def loops_of_another_type(path: Path) -> None:
    torch.save(checkpoint(20, loops=[1]), path)


def loops_without_epochs(path: Path) -> None:
    torch.save(checkpoint(20, loops={"fit_loop": [1]}), path)


def code(path: Path) -> None:
    path.write_bytes(pickle.dumps(eval))


damages = pytest.mark.parametrize(
    "damage",
    [cut, empty, zeros, end_zeros, one_bit, text, no_loops, loops_of_another_type, loops_without_epochs, code],
    ids=lambda damage: damage.__name__,
)


def test_the_last_one(files: TrainingLayout) -> None:
    point = resume_point(files)
    assert (point.path, point.epoch, point.iteration, point.damage) == (files.last, 3, 20, "")


def test_nothing_is_there(tmp_path: Path) -> None:
    point = resume_point(TrainingLayout(tmp_path))
    assert (point.path, point.damage) == (None, "")


def test_a_last_one_that_was_deleted_means_to_begin_again(files: TrainingLayout) -> None:
    files.last.unlink()
    point = resume_point(files)
    assert (point.path, point.damage) == (None, "")


@damages
def test_the_one_before_a_damaged_one(damage: Any, files: TrainingLayout) -> None:
    damage(files.last)
    point = resume_point(files)
    assert (point.path, point.iteration) == (files.previous, 10)
    assert point.damage.startswith(f"{files.last}: ")
    assert "\n" not in point.damage


@damages
def test_nothing_whole_is_left(damage: Any, files: TrainingLayout) -> None:
    files.previous.unlink()
    damage(files.last)
    point = resume_point(files)
    assert point.path is None
    assert point.damage.startswith(f"{files.last}: ")
    assert point.mend == f"rm {files.last}, and the same command begins this training again"
    torch.save(checkpoint(10), files.previous)
    damage(files.previous)
    assert f"rm {files.last} {files.previous}, and" in resume_point(files).mend


@pytest.mark.parametrize("damage", [cut, empty, zeros, one_bit, text], ids=lambda damage: damage.__name__)
def test_a_damaged_best_one_cannot_be_made_again_from_a_later_one(damage: Any, files: TrainingLayout) -> None:
    damage(files.best)
    point = resume_point(files)
    assert point.path is None
    assert point.damage.startswith(f"{files.best}: ")
    assert f"rm {files.best}, and the same command goes on" in point.mend
    files.best.unlink()
    assert resume_point(files).path == files.last
