"""A reader never sees half of a file."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.common.files import remove_leftovers, write_atomically


@settings(max_examples=30)
@given(st.one_of(st.binary(max_size=50), st.text(max_size=50)))
def test_a_file_holds_what_was_written(tmp_path_factory: pytest.TempPathFactory, data: bytes | str) -> None:
    path = tmp_path_factory.mktemp("files") / "new" / "folder" / "x.txt"
    for content in (b"before", data):
        write_atomically(path, content)
    assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert [each.name for each in path.parent.iterdir()] == ["x.txt"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_the_old_file_stays_whole_where_writing_fails(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "x.txt", []
    write_atomically(path, "old")

    def fail(*_: object) -> None:
        seen.append(path.read_text())
        raise OSError("the disk is full")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="the disk is full"):
        write_atomically(path, "new")
    assert seen == ["old"]
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_file_is_on_the_disk_before_it_takes_the_olds_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    for name in ("fsync", "replace"):
        call = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, call=call: (order.append(name), call(*args))[1])
    write_atomically(tmp_path / "x", "new")
    assert order == ["fsync", "replace"]


def test_leftovers_of_killed_writers_go_and_nothing_else(tmp_path: Path) -> None:
    kept = ["x.tmp", ".lock", "deep/down/metrics.csv", "deep/.hidden"]
    gone = [".x.csv.123.tmp", "deep/down/.last.ckpt.tmp"]
    for name in kept + gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
