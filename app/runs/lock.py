"""Locks: one process at a time trains a network, or writes the files that all networks of a run share.

A lock is a file that one process has locked by `fcntl.flock`; the system releases it when the process ends for any
reason. (Not `filelock`, which does not say who has the lock.) Where there is no flock (Windows, some network file
systems), or other machines do not see it, the file itself is the lock: whoever creates it has it, until it is deleted.
One that a killed process has left is deleted if the process is known to have ended, and otherwise by `--break_locks`.
It names its process from the first: the line is written into a file of another name, which then gets the lock's name.
"""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from app.common.errors import UserError
from app.common.files import make_directory, remove_leftovers_of
from app.runs import lock_file
from app.runs.layout import RunDirectory
from app.runs.owner import Owner

PATIENCE_SECONDS = 15.0  # for the children of a process that was killed
OPTION = "--break_locks true"
_RETRY_SECONDS = 0.001

_breaking = False


def choose(*, breaking: bool) -> None:
    """Choose whether locks are broken of which is not known whether their process has ended, where there is no flock.

    Args:
        breaking: the option `--break_locks`.
    """
    global _breaking
    _breaking = breaking


def is_breaking() -> bool:
    """What was chosen."""
    return _breaking


class FileLock:
    """A lock that one process at a time has. As a context manager it is released in the end.

    Args:
        path: the lock's file; its directory is made where it is missing.

    Attributes:
        owner: who has it, after `take` has failed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.owner = Owner()
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take the lock if it is free.

        Returns:
            Whether this process has it now.

        Raises:
            UserError: the file is not one of this program.
        """
        assert self._descriptor is None, "a lock is taken once"
        while (taken := self._try()) is None:
            time.sleep(_RETRY_SECONDS)
        return taken

    def _try(self) -> bool | None:
        """Take the lock if it is free; None where another process is just giving it up, or looking at it."""
        make_directory(self.path.parent)
        opened = lock_file.open_or_create(self.path)
        if opened is None:
            return None
        descriptor, created = opened
        try:
            locked = lock_file.flock(descriptor, self.path)
            if locked or (locked is None and created):
                if not lock_file.is_at(descriptor, self.path):  # whoever had it has deleted the file
                    return None
                if locked:  # another may have had it, and written into it, since it was created
                    lock_file.write(descriptor, Owner.this().line)
                self._descriptor, descriptor = descriptor, -1
                return True
            seen = lock_file.read(descriptor)
        finally:
            if descriptor != -1:
                os.close(descriptor)
        self.owner = Owner.parse(seen)
        if locked is None:  # whoever creates the file has the lock, here too
            return None if self._break(seen) else False
        return False if held_by(self.path) is not None else None

    def release(self) -> None:
        """Give the lock up; nothing happens if this process does not have it."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        mine = lock_file.is_at(descriptor, self.path)  # unless the user has had it broken
        if os.name == "nt":  # deletes no open file
            os.close(descriptor)
        if mine:
            self.path.unlink(missing_ok=True)
        if os.name != "nt":
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _break(self, seen: str) -> bool:
        """Delete the file where it is the lock, if its process has ended or the user says so.

        One process at a time does that, and deletes what it has read: another may have taken the lock meanwhile.
        """
        if not Owner.parse(seen).is_over and not _breaking:
            return False
        guard = self.path.with_name(f"{self.path.name}.breaking")
        if _breaking:
            guard.unlink(missing_ok=True)
        try:
            os.close(os.open(guard, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            return False
        try:
            with suppress(FileNotFoundError):
                if self.path.read_text(errors="replace") == seen:
                    self.path.unlink()
            return True
        finally:
            guard.unlink(missing_ok=True)


def remove_free(path: Path) -> None:
    """Delete the file of a lock that a killed process has left; nothing happens where somebody has the lock.

    Whoever takes a lock deletes its file in the end; but nobody takes that of a training that is finished.
    """
    with FileLock(path) as lock:
        if os.path.lexists(path) and lock.take():
            remove_leftovers_of(path)


def held_by(path: Path) -> Owner | None:
    """Who has a lock, by looking at it for a moment; None if nobody has it."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError:  # no such file, or nothing that a process of ours would lock
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        free, owner = lock_file.flock(descriptor, path, shared=True), Owner.parse(lock_file.read(descriptor))
        if free is None:
            return owner if not owner.is_over else None
        return None if free else owner
    finally:
        os.close(descriptor)


@contextmanager
def locked(layout: RunDirectory) -> Iterator[None]:
    """Hold the lock of a whole run directory.

    Raises:
        UserError: another process holds it, or its file is none.
    """
    with FileLock(layout.lock) as lock:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not lock.take():
            owner = lock.owner
            # The children of a dead process have the system's lock until they end; the workers of a DataLoader notice
            # only after some seconds.
            if not owner.is_over or _is_the_lock(lock.path):
                raise UserError(
                    f"{owner} has been at work in {layout.root}{owner.since_when}; wait for it, or choose another "
                    f"--experiment{how_to_break(lock.path)}"
                )
            if time.monotonic() > deadline:
                raise UserError(f"{orphans(owner, lock.path)}; end them, or choose another --experiment")
            time.sleep(0.1)
        yield


def how_to_break(path: Path) -> str:
    """What to add to a sentence on a lock that somebody has; empty where the system releases it by itself."""
    if not _is_the_lock(path):
        return ""
    return f" (if that process has ended, {OPTION} breaks its lock, {path})"


def orphans(owner: Owner, path: Path) -> str:
    """What to say of the processes that have the lock of one that is dead."""
    found = _holders(path)
    numbers = " ".join(map(str, found))
    which = f": kill -KILL {numbers} ends them" if found else ""
    return f"{owner} was at work in {path.parent} and is dead, but processes that it started still hold it{which}"


def _is_the_lock(path: Path) -> bool:
    """Whether there is a file, and it is the lock itself, because there is no flock."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return lock_file.flock(descriptor, path, shared=True) is None
    finally:
        os.close(descriptor)


def _holders(lock: Path) -> list[int]:
    """The processes that hold a lock, as far as this system tells (Linux, and processes of the same user)."""
    name, found = str(lock.resolve()), []
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    held = os.readlink(descriptor) == name
                    if held and "FLOCK" in (process / "fdinfo" / descriptor.name).read_text():
                        found.append(int(process.name))
                        break
    return found
