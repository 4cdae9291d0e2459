"""One process at a time works in a run directory, and whoever cannot says why."""

import errno
import fcntl
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers.command import REPOSITORY

from app.common.errors import UserError
from app.common.files import LEFTOVER, remove_leftovers
from app.runs import file_systems, lock, lock_file
from app.runs.layout import RunDirectory
from app.runs.lock import FileLock, held_by, locked, remove_free
from app.runs.owner import Owner

HOST = socket.gethostname()
DEAD = 2**22 + 1  # above the largest number of a process that Linux gives


def is_locked(run: RunDirectory) -> bool:
    return held_by(run.lock) is not None


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "e")


def test_a_second_one_is_refused_and_the_first_one_named(run: RunDirectory) -> None:
    with locked(run):
        assert is_locked(run)
        with (
            pytest.raises(
                UserError,
                match=rf"^process {os.getpid()} on {HOST} has been at work in {run.root} since 20[-: \d]* UTC; wait",
            ),
            locked(run),
        ):
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
        with pytest.raises(UserError, match=f"^process {DEAD} on node7 has been at work in"), locked(run):
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
        with pytest.raises(UserError, match=r"^another process has been at work in") as raised, locked(run):
            pass
        assert str(raised.value).isprintable()
    with locked(run):
        assert run.lock.read_text().startswith(f"{os.getpid()} {HOST} 20")
    assert not run.lock.exists()


class Orphan:
    """A process that inherited the lock of one that is dead, and sleeps."""

    def __init__(self, run: RunDirectory) -> None:
        run.root.mkdir()
        descriptor = os.open(run.lock, os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, f"{DEAD} {HOST}\n".encode())
        command = [sys.executable, "-c", "input()"]
        self.process = subprocess.Popen(command, pass_fds=(descriptor,), stdin=subprocess.PIPE)
        os.close(descriptor)  # the lock is given up with the last descriptor

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
            match=rf"^process {DEAD} on {HOST} was at work in {run.root} and is dead, but processes that it started "
            rf"still hold it: kill -KILL {orphan.process.pid} ends them; ",
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


@pytest.fixture(params=["the file system", "the system", "the mount"])
def without_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "the system":
        monkeypatch.setattr(lock_file, "fcntl", None)
        return
    if request.param == "the mount":
        monkeypatch.setattr(lock_file, "locks_are_shared", lambda directory: False)
        return

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", refuse)


@pytest.mark.usefixtures("without_locks")
def test_without_locks_the_file_is_the_lock(run: RunDirectory) -> None:
    for _ in range(2):
        with locked(run):
            assert is_locked(run)
            with pytest.raises(UserError, match=rf"^process {os.getpid()} on {HOST} has been at work"), locked(run):
                pass
            assert is_locked(run)
        assert not is_locked(run)
        assert not run.lock.exists()


@pytest.mark.usefixtures("without_locks")
def test_without_locks_the_one_of_a_process_that_has_ended_is_broken(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.root.mkdir()
    earlier = Owner(7, "node7", "2026-01-01T00:00:00Z", "71_3", 0)  # of this job, before SLURM ran it again
    for variable, value in (("ARRAY_JOB_ID", "71"), ("ARRAY_TASK_ID", "3"), ("RESTART_COUNT", "1")):
        monkeypatch.setenv(f"SLURM_{variable}", value)
    for line in (f"{DEAD} {HOST}\n", Owner(DEAD, HOST, earlier.since).line, earlier.line):
        run.lock.write_text(line)
        assert not is_locked(run)
        with locked(run):
            assert run.lock.read_text() != line
    # In this run of the job a second process of it may be alive.
    run.lock.write_text(Owner(7, "node7", earlier.since, "71_3", 1).line)
    with pytest.raises(UserError, match=r"^process 7 on node7 \(job 71_3\) has been at work in"), locked(run):
        pass


@pytest.mark.usefixtures("without_locks")
@pytest.mark.parametrize("line", ["7 node7\n", "", f"{os.getppid()} {HOST}\n"], ids=["elsewhere", "empty", "alive"])
def test_without_locks_a_stale_one_is_named_with_the_option_that_breaks_it(
    line: str, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.root.mkdir()
    run.lock.write_text(line)
    assert is_locked(run)
    said = rf"has been at work .* \(if that process has ended, --break_locks true breaks its lock, {run.lock}\)$"
    with pytest.raises(UserError, match=said), locked(run):
        pass
    run.lock.with_name(".lock.breaking").touch()  # of a process that was killed while it broke the lock
    monkeypatch.setattr(lock, "_breaking", True)
    with locked(run):
        assert run.lock.read_text().startswith(f"{os.getpid()} ")
    assert not list(run.root.iterdir())


@pytest.mark.usefixtures("without_locks")
def test_without_locks_one_that_was_being_broken_is_named_with_the_option(run: RunDirectory) -> None:
    run.root.mkdir()
    run.lock.write_text(f"{DEAD} {HOST}\n")
    run.lock.with_name(".lock.breaking").touch()  # of a process that was killed while it broke the lock
    with pytest.raises(UserError, match=rf"--break_locks true breaks its lock, {run.lock}\)$"), locked(run):
        pass


KILLED = """\
import os, signal, sys
from pathlib import Path
from app.runs import lock, lock_file

path, step, when = sys.argv[1:]
real = getattr(os, step)

def killed(*arguments):
    if when == "after":
        real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, step, killed)
lock_file.fcntl = None
lock.FileLock(Path(path)).take()
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["ftruncate", "write", "link", "unlink"])
def test_without_locks_one_that_a_killed_process_was_making_is_free(
    step: str, when: str, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is never without the process, and what else may be left is not in the way."""
    run.root.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(run.lock), step, when], env={"PYTHONPATH": str(REPOSITORY)}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    monkeypatch.setattr(lock_file, "fcntl", None)
    assert not is_locked(run)
    with locked(run):
        assert run.lock.read_text().startswith(f"{os.getpid()} {HOST} 20")
        remove_leftovers(run.root)
        assert list(run.root.iterdir()) == [run.lock]
    assert not list(run.root.iterdir())


def refusing(number: int) -> Any:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP], ids=errno.errorcode.get)
@pytest.mark.usefixtures("without_locks")
def test_without_locks_and_without_links(number: int, run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.link", refusing(number))
    for _ in range(2):
        with locked(run):
            assert list(run.root.iterdir()) == [run.lock]
            with pytest.raises(UserError, match=rf"^process {os.getpid()} on {HOST} has been at work"), locked(run):
                pass
        assert not list(run.root.iterdir())


@pytest.mark.usefixtures("without_locks")
def test_a_network_file_system_that_has_linked_and_says_that_the_file_exists(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks again where an answer was lost."""
    real = os.link

    def twice(*arguments: Any) -> None:
        real(*arguments)
        real(*arguments)

    monkeypatch.setattr("os.link", twice)
    with locked(run):
        assert run.lock.read_text().startswith(f"{os.getpid()} ")


@pytest.mark.usefixtures("without_locks")
def test_a_full_disk_leaves_no_lock(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.write", refusing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"), locked(run):
        pass
    assert not list(run.root.iterdir())


def test_a_lock_of_the_system_is_never_broken(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_breaking", True)
    with locked(run), pytest.raises(UserError, match=r"another --experiment$"), locked(run):
        pass


@pytest.mark.usefixtures("without_locks")
def test_without_locks_one_of_many_breaks_a_stale_one(run: RunDirectory) -> None:
    """All at once find the lock of a dead process: never two of them have it."""
    run.root.mkdir()
    for _ in range(30):
        run.lock.write_text(f"{DEAD} {HOST}\n")
        inside, most, barrier = [0], [0], threading.Barrier(4)

        def enter(inside: list[int] = inside, most: list[int] = most, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            with lock.FileLock(run.lock) as mine:
                if mine.take():
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    inside[0] -= 1

        threads = [threading.Thread(target=enter) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most[0] <= 1
        run.lock.unlink(missing_ok=True)


@pytest.mark.parametrize("system", [fcntl, None], ids=["flock", "the file"])
def test_a_lock_that_is_given_up_and_taken_all_the_time_has_one_owner(
    system: ModuleType | None, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is deleted by whoever gives the lock up: another may have opened it just before."""
    monkeypatch.setattr(lock_file, "fcntl", system)
    counts, inside = [0], [0]

    def enter() -> None:
        for _ in range(100):
            with lock.FileLock(run.lock) as mine:
                while not mine.take():
                    pass
                inside[0] += 1
                assert inside[0] == 1
                counts[0] += 1
                inside[0] -= 1

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(enter) for _ in range(3)]:
            done.result()
    assert counts[0] == 300
    assert not list(run.root.iterdir())


MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
36 22 0:33 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2,local_lock=none,addr=1
37 22 0:34 / /scratch rw - nfs server:/scratch rw,vers=3,nolock,local_lock=all
38 37 0:35 / /scratch/fast\\040disk rw - lustre a@tcp:/fast rw,flock
39 22 0:36 / /lustre rw - lustre a@tcp:/l rw,localflock
40 22 0:37 / /mnt/laptop rw - fuse.sshfs me@laptop:/ rw
cut short
"""


@pytest.mark.parametrize(
    ("directory", "kind", "shared"),
    [
        ("/srv/x", "ext4", True),
        ("/home/me/runs", "nfs4", True),
        ("/homeless", "ext4", True),
        ("/scratch/me", "nfs", False),
        ("/scratch/fast disk/runs", "lustre", True),
        ("/lustre", "lustre", False),
        ("/mnt/laptop/x", "fuse.sshfs", False),
    ],
)
def test_what_a_mount_says_of_its_locks(
    directory: str, kind: str, shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    monkeypatch.setattr(file_systems, "MOUNTS", tmp_path / "mountinfo")
    assert file_systems.mount_of(MOUNTS, Path(directory))[0] == kind
    assert file_systems.locks_are_shared(Path(directory)) == shared


def test_it_can_be_imported_where_there_is_no_fcntl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    name = "lock_file_without_fcntl"
    spec = importlib.util.spec_from_file_location(name, str(lock_file.__file__))
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    assert module.fcntl is None


@pytest.mark.parametrize("shared", [True, False])
def test_a_lock_that_nobody_has_is_removed(shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_file, "locks_are_shared", lambda directory: shared)
    left, held, none = tmp_path / "left", tmp_path / "held", tmp_path / "none"
    left.write_text(Owner(DEAD, HOST, "2026-11-27T18:05:12Z").line)
    (tmp_path / f".left.half{LEFTOVER}").touch()
    with FileLock(held) as other:
        assert other.take()
        for path in (left, held, none):
            remove_free(path)
        assert sorted(tmp_path.iterdir()) == [held]
        assert held_by(held) is not None


def test_a_failing_disk_is_no_missing_lock(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("fcntl.flock", fail)
    with pytest.raises(OSError, match="Input/output error"), locked(run):
        pass
