"""A reader never sees half of a file."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.common.files import (
    LEFTOVER,
    make_directory,
    remove,
    remove_leftovers,
    remove_leftovers_of,
    write_atomically,
)


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


def recorded(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[str]:
    """The calls of the system from now on, in order; `fsync` with the kind of what is synchronised."""
    order: list[str] = []

    def watch(name: str) -> None:
        call = getattr(os, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            kind = ""
            if name == "fsync":
                kind = " directory" if stat.S_ISDIR(os.fstat(arguments[0]).st_mode) else " file"
            order.append(f"{name}{kind}")
            return call(*arguments, **options)

        monkeypatch.setattr(os, name, watched)

    for name in names:
        watch(name)
    return order


def test_the_new_file_is_on_the_disk_before_it_takes_the_olds_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = recorded(monkeypatch, "fsync", "replace")
    write_atomically(tmp_path / "x", "new")
    assert order == ["fsync file", "replace", "fsync directory"]


def test_new_directories_are_on_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = recorded(monkeypatch, "fsync")
    make_directory(tmp_path / "a/b")
    assert order == ["fsync directory"] * 2
    make_directory(tmp_path / "a/b")
    assert order == ["fsync directory"] * 2


def test_a_removed_file_is_gone_from_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").touch()
    order = recorded(monkeypatch, "fsync")
    remove(tmp_path / "x")
    assert order == ["fsync directory"]
    remove(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EACCES])
def test_directories_that_cannot_be_synchronised_are_no_error(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if os.path.isdir(path):
            raise OSError(code, os.strerror(code))
        return call(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    write_atomically(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new"


def test_a_failing_disk_is_an_error_that_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error") as raised:
        write_atomically(tmp_path / "x", "new")
    assert raised.value.filename == str(tmp_path / "x")


def test_the_file_before_keeps_another_name(tmp_path: Path) -> None:
    path, previous = tmp_path / "x", tmp_path / "before"
    for content in ("one", "two", "three"):
        write_atomically(path, content, previous=previous)
    assert (path.read_text(), previous.read_text()) == ("three", "two")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["before", "x"]
    # Killed between giving the second name and writing: both names are of one file.
    previous.unlink()
    os.link(path, previous)
    write_atomically(path, "four", previous=previous)
    assert (path.read_text(), previous.read_text()) == ("four", "three")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["before", "x"]


def test_without_second_names_nothing_is_kept_and_all_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    for content in ("one", "two"):
        write_atomically(tmp_path / "x", content, previous=tmp_path / "before")
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "two"


def test_a_link_in_the_place_of_a_temporary_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("important")
    (tmp_path / f".x.{os.getpid()}{LEFTOVER}").symlink_to(victim)
    write_atomically(tmp_path / "x", "new")
    assert victim.read_text() == "important"
    assert not (tmp_path / "x").is_symlink()


def test_leftovers_of_killed_writers_go_and_nothing_else(tmp_path: Path) -> None:
    kept = ["x.tmp", ".lock", "deep/down/metrics.csv", "deep/.hidden", ".notes.tmp", ".notes.17.tmp", f"x{LEFTOVER}"]
    gone = [f".x.csv.123{LEFTOVER}", f"deep/down/.last.ckpt.7{LEFTOVER}"]
    for name in kept + gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


def test_leftovers_of_one_file(tmp_path: Path) -> None:
    kept, gone = [f".y.1{LEFTOVER}", f".xx.1{LEFTOVER}", ".x.tmp"], [f".x.1{LEFTOVER}", f".x.23{LEFTOVER}"]
    for name in kept + gone:
        (tmp_path / name).touch()
    remove_leftovers_of(tmp_path / "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
