"""One process at a time works in a run directory, and whoever cannot says why."""

import errno
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from app.common.errors import UserError
from app.runs import lock
from app.runs.layout import RunDirectory
from app.runs.lock import is_locked, locked

DEAD = 2**22 + 1  # above the largest number of a process that Linux gives


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "e")


def test_a_second_one_is_refused_and_the_first_one_named(run: RunDirectory) -> None:
    with locked(run):
        assert is_locked(run)
        with pytest.raises(UserError, match=f"^process {os.getpid()} is at work in {run.root}; wait"), locked(run):
            pass
    assert not is_locked(run)
    with locked(run):
        pass


def test_a_directory_without_a_lock_is_free(run: RunDirectory) -> None:
    assert not is_locked(run)
    run.root.mkdir()
    assert not is_locked(run)


def test_on_another_machine(run: RunDirectory) -> None:
    """Whose processes are not known here: one of the same number that is dead says nothing."""
    with locked(run):
        run.lock.write_text(f"{DEAD} node7\n")
        with pytest.raises(UserError, match=f"^process {DEAD} on node7 is at work in"), locked(run):
            pass


def test_looking_at_it_never_keeps_a_run_from_starting(run: RunDirectory) -> None:
    run.root.mkdir()
    run.lock.write_text(f"{os.getpid()} {socket.gethostname()}\n")  # who had it last may live on
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            is_locked(run)

    watchers = [threading.Thread(target=look) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(200):
            with locked(run):
                pass
    finally:
        stop.set()
        for watcher in watchers:
            watcher.join()


def links(target: Path, path: Path) -> None:
    path.symlink_to(target)


def dangles(target: Path, path: Path) -> None:
    path.symlink_to(target.with_name("nothing"))


def is_a_directory(target: Path, path: Path) -> None:
    path.mkdir()


def is_a_pipe(target: Path, path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [links, dangles, is_a_directory, is_a_pipe], ids=lambda make: make.__name__)
def test_what_is_no_file_is_named_and_not_written(make: Any, run: RunDirectory, tmp_path: Path) -> None:
    victim = tmp_path / "thesis.tex"
    victim.write_text("important")
    run.root.mkdir()
    make(victim, run.lock)
    with pytest.raises(UserError, match=rf"{run.lock}: expected a file of this program.*remove it"), locked(run):
        pass
    assert not is_locked(run)
    assert victim.read_text() == "important"
    assert not victim.with_name("nothing").exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\x1b[2J12", b"9" * 5000, b"12 a b"])
def test_a_file_that_names_nobody(content: bytes, run: RunDirectory) -> None:
    with locked(run):
        run.lock.write_bytes(content)
        with pytest.raises(UserError, match=r"^another process is at work in") as raised, locked(run):
            pass
        assert str(raised.value).isprintable()
    with locked(run):
        assert run.lock.read_text() == f"{os.getpid()} {socket.gethostname()}\n"


class Orphan:
    """A process that inherited the lock of one that is dead, and sleeps."""

    def __init__(self, run: RunDirectory) -> None:
        with locked(run) as descriptor:
            command = [sys.executable, "-c", "input()"]
            self.process = subprocess.Popen(command, pass_fds=(descriptor,), stdin=subprocess.PIPE)
            run.lock.write_text(f"{DEAD} {socket.gethostname()}\n")
            # The lock is given up with the last descriptor, and `locked` closes only its own.

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def orphan(run: RunDirectory) -> Iterator[Orphan]:
    orphan = Orphan(run)
    yield orphan
    orphan.end()


@pytest.mark.skipif(not Path("/proc/self/fdinfo").exists(), reason="who holds a lock: Linux")
def test_a_stopped_orphan_is_named(run: RunDirectory, orphan: Orphan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 0.0)
    orphan.process.send_signal(signal.SIGSTOP)
    with (
        open(run.lock),  # whoever only has it open is not named
        pytest.raises(
            UserError,
            match=rf"^process {DEAD} was at work in {run.root} and is dead, but processes that it started still hold "
            rf"the directory: kill -KILL {orphan.process.pid} ends them; ",
        ),
        locked(run),
    ):
        pass
    orphan.end()
    with locked(run):
        pass


def test_orphans_that_end_are_waited_for(run: RunDirectory, orphan: Orphan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock.time, "sleep", lambda _: orphan.end())
    with locked(run):
        pass


@pytest.fixture(params=["the file system", "the system"])
def without_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "the system":
        monkeypatch.setattr(lock, "fcntl", None)
        return

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", refuse)


@pytest.mark.usefixtures("without_locks")
def test_without_locks_it_warns_and_works(run: RunDirectory) -> None:
    for _ in range(2):
        with pytest.warns(UserWarning, match="no file locks here.*start only one"), locked(run):
            assert is_locked(run)
        assert not is_locked(run)
    run.lock.write_text(f"{DEAD} {socket.gethostname()}\n")  # was killed
    with pytest.warns(UserWarning, match="no file locks here"), locked(run):
        pass


@pytest.mark.usefixtures("without_locks")
def test_without_locks_the_process_that_the_file_names_is_asked_after(run: RunDirectory) -> None:
    run.root.mkdir()
    run.lock.write_text(f"{os.getppid()} {socket.gethostname()}\n")
    assert is_locked(run)
    with pytest.raises(UserError, match=f"process {os.getppid()} is said to be at work .*, rm {run.lock}"), locked(run):
        pass


def test_it_can_be_imported_where_there_is_no_fcntl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    name = "lock_without_fcntl"
    spec = importlib.util.spec_from_file_location(name, str(lock.__file__))
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    assert module.fcntl is None


def test_a_failing_disk_is_no_missing_lock(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("fcntl.flock", fail)
    with pytest.raises(OSError, match="Input/output error"), locked(run):
        pass
