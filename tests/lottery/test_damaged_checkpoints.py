"""A lottery whose checkpoints are damaged says so, and ends with the bits that it would have had."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.hostile import hostile_objects
from helpers.tiny_lottery import everything, lottery

from app.common.errors import Interrupted, UserError
from app.runs.layout import NetworkKey, RunLayout, TrainingLayout

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning"),
]
TICKET = NetworkKey(0, "iterative", 1)
SETTINGS: dict[str, Any] = {"rounds": 1, "keep": ("final", "best"), "rewind_to": "2it", "resume_schedule": True}


def draw(root: Path, stop_at: int | None = None) -> None:
    """Saved after every iteration; asked to stop at so many of them."""
    experiment, asked = lottery(root, **SETTINGS), iter(range(1, 1000))
    object.__setattr__(experiment.train, "checkpoint_seconds", 0.0)
    if stop_at is not None:
        object.__setattr__(experiment.train, "stop", lambda: next(asked) >= stop_at)
    experiment.run()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    root = tmp_path_factory.mktemp("whole") / "e"
    draw(root)
    return everything(root)


@pytest.fixture
def begun(tmp_path: Path) -> TrainingLayout:
    """The ticket of a lottery that was stopped while it was trained."""
    with pytest.raises(Interrupted):
        draw(tmp_path / "e", stop_at=20)
    files = RunLayout(tmp_path / "e").network(TICKET)
    assert {files.last, files.previous, files.best} <= set(files.root.iterdir())
    return files


def goes_on(files: TrainingLayout, expected: dict[str, object], says: str) -> None:
    root = files.root.parents[2]
    with pytest.warns(UserWarning, match=says) as warned:
        draw(root)
    assert all("\n" not in str(each.message) for each in warned)
    found = everything(root)
    assert sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)) == []
    assert not list(root.rglob("last.ckpt")) + list(root.rglob("previous.ckpt"))


@pytest.mark.parametrize("size", [0, 1000])
def test_from_the_checkpoint_before(size: int, begun: TrainingLayout, expected: dict[str, object]) -> None:
    begun.last.write_bytes(begun.last.read_bytes()[:size])
    goes_on(begun, expected, r"last\.ckpt: not a checkpoint .*, round 1 goes on from the checkpoint before it")


def test_a_damaged_one_never_becomes_the_one_before(begun: TrainingLayout) -> None:
    """Or a kill before the next save would leave nothing whole."""
    begun.last.write_bytes(b"")
    before = begun.previous.read_bytes()
    with pytest.raises(Interrupted), pytest.warns(UserWarning, match="goes on from the checkpoint before"):
        draw(begun.root.parents[2], stop_at=1)
    assert begun.previous.read_bytes() == before
    assert begun.last.stat().st_size


def test_again_where_nothing_is_whole(begun: TrainingLayout, expected: dict[str, object]) -> None:
    begun.last.write_bytes(b"")
    begun.previous.write_bytes(b"PK")
    goes_on(begun, expected, r"previous\.ckpt: not a checkpoint .* iterative, round 1 is trained again")


def test_again_where_the_best_is_damaged(begun: TrainingLayout, expected: dict[str, object]) -> None:
    begun.best.write_bytes(begun.best.read_bytes()[:-500])
    goes_on(begun, expected, r"best\.ckpt: not a checkpoint .* iterative, round 1 is trained again")


def test_code_is_not_run(
    begun: TrainingLayout, expected: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    last = torch.load(begun.last, weights_only=True)
    torch.save({**last, "more": [*hostile_objects(tmp_path / "witness").values()]}, begun.last)
    shutil.copy(begun.last, begun.previous)
    goes_on(begun, expected, "holds code besides weights and is not opened")
    assert not (tmp_path / "witness").exists()


def test_rows_that_are_lost(begun: TrainingLayout) -> None:
    rows = begun.metrics.read_text().splitlines(keepends=True)
    begun.metrics.write_text("".join(rows[:-1]))
    with pytest.raises(UserError, match=r"metrics\.csv: \d rows, and the checkpoint counts \d.*rm .*/\*\.ckpt"):
        draw(begun.root.parents[2])
