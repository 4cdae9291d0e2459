"""How trainings write and read checkpoints: beside their place, to the disk, and without code in them."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.hostile import hostile_objects

from app.common.errors import UserError
from app.training.run_checkpoint_io import RunCheckpointIO


def test_what_was_written_is_read(tmp_path: Path) -> None:
    RunCheckpointIO().save_checkpoint({"state_dict": {"a": torch.ones(2)}, "epoch": 3}, tmp_path / "new/x.ckpt")
    found = RunCheckpointIO().load_checkpoint(str(tmp_path / "new/x.ckpt"))
    assert found["epoch"] == 3
    assert found["state_dict"]["a"].equal(torch.ones(2))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.ckpt"]


def test_a_full_tmpdir_is_of_no_concern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile.mkstemp", lambda *_, **__: pytest.fail("$TMPDIR is used"))
    RunCheckpointIO().save_checkpoint({"state_dict": {}}, tmp_path / "x.ckpt")
    assert (tmp_path / "x.ckpt").exists()


def test_a_full_disk_is_named_and_the_file_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints, path = RunCheckpointIO(), tmp_path / "x.ckpt"
    checkpoints.save_checkpoint({"state_dict": {}, "epoch": 1}, path)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as raised:
        checkpoints.save_checkpoint({"state_dict": {}, "epoch": 2}, path)
    assert raised.value.filename == str(path)
    assert checkpoints.load_checkpoint(path)["epoch"] == 1
    assert [each.name for each in tmp_path.iterdir()] == ["x.ckpt"]


@pytest.mark.parametrize("name", hostile_objects(Path("witness")))
def test_code_is_never_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    witness = tmp_path / "witness"
    torch.save({"state_dict": {}, "more": hostile_objects(witness)[name]}, tmp_path / "x.ckpt")
    for weights_only in (None, False, True):
        with pytest.raises(UserError, match="holds code besides weights"):
            RunCheckpointIO().load_checkpoint(tmp_path / "x.ckpt", weights_only=weights_only)
    assert not witness.exists()
