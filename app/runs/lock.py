"""Locks a run directory, so that one process at a time works in it.

The lock is `fcntl.flock` and not `filelock`, which keeps its descriptor private: worker processes inherit it. Where a
file system or a system (Windows) has no such locks, the process that is named in the file is asked after instead.
"""

import errno
import os
import re
import socket
import stat
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from app.common.errors import UserError
from app.common.files import make_directory
from app.runs.layout import RunDirectory

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PATIENCE_SECONDS = 15.0  # for the children of a process that was killed
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)  # answers of file systems without locks


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that a lock file names.

    Args:
        process: its number.
        host: the machine that it runs on; empty if the file does not say.
    """

    process: int
    host: str

    def __str__(self) -> str:
        return f"process {self.process}" + (f" on {self.host}" if self.is_elsewhere else "")

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs on another machine, of which nothing is known."""
        return self.host not in ("", socket.gethostname())

    @property
    def is_alive(self) -> bool:
        """Whether it is there; on Windows, where asking would end it, and on other machines that is assumed."""
        if self.is_elsewhere or os.name == "nt":
            return True
        try:
            os.kill(self.process, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except OSError:
            return True
        return True


@contextmanager
def locked(layout: RunDirectory) -> Iterator[int]:
    """Hold the lock of a run directory; the system releases it when the process ends for any reason.

    Yields:
        The descriptor of the lock; processes that inherit it hold the lock too.

    Raises:
        UserError: another process holds the lock, or its file is none.
    """
    make_directory(layout.root)
    with _open(layout.lock) as file:
        has_locks = _lock(file, layout)
        _write(file, f"{os.getpid()} {socket.gethostname()}\n")
        try:
            yield file.fileno()
        finally:
            if not has_locks:
                _write(file, "")


def is_locked(layout: RunDirectory) -> bool:
    """Whether a process is at work in the run directory."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(layout.lock, flags)
    except OSError:  # no such file, or nothing that a process of ours would lock
        return False
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return False
    with os.fdopen(descriptor, errors="replace") as file:
        held = _is_held(file)
        return held if held is not None else (owner := _owner(file)) is not None and owner.is_alive


def _open(path: Path) -> IO[str]:
    """The lock file, made if there is none; a symbolic link is not followed, or its target would be overwritten."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = -1
    try:
        if path.is_symlink():  # Windows knows no O_NOFOLLOW
            raise IsADirectoryError
        descriptor = os.open(path, flags, 0o666)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise IsADirectoryError
    except OSError as error:
        if path.is_symlink() or isinstance(error, IsADirectoryError) or error.errno == errno.ENXIO:
            raise UserError(f"{path}: expected a file of this program, and it is none; remove it") from None
        raise
    return os.fdopen(descriptor, "r+", errors="replace")


def _lock(file: IO[str], layout: RunDirectory) -> bool:
    """Take the lock; where the process that has it is dead, wait for its children, which have it until they end.

    The workers of a DataLoader notice only after some seconds that their parent was killed.

    Returns:
        Whether there are locks here; if not, nobody else is known to be at work.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        taken = _try(file)
        if taken:
            return True
        if taken is None:
            _go_without(file, layout)
            return False
        if not _is_held(file):  # `status` looked at it
            time.sleep(0.001)
            continue
        owner = _owner(file)
        if owner is None or owner.is_alive:
            raise UserError(
                f"{owner or 'another process'} is at work in {layout.root}; wait for it, or choose another --experiment"
            )
        if time.monotonic() > deadline:
            raise UserError(_orphans(owner, layout))
        time.sleep(0.1)


def _try(file: IO[str]) -> bool | None:
    """Take the lock if it is free; None if there are no locks here."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            return None
        raise
    return True


def _is_held(file: IO[str]) -> bool | None:
    """Whether a process holds the lock, rather than looking at it as this does; None if there are no locks here."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno in NO_LOCKS:
            return None
        raise
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _go_without(file: IO[str], layout: RunDirectory) -> None:
    """Refuse to go on if the process that the file names is there; otherwise say what there is no protection from."""
    owner = _owner(file)
    if owner is not None and owner.is_alive and owner.process != os.getpid():
        raise UserError(
            f"{owner} is said to be at work in {layout.root} (there are no locks here to make sure); wait for it, or, "
            f"if it has ended, rm {layout.lock}"
        )
    warnings.warn(
        f"{layout.root}: there are no file locks here, so that nothing keeps a second process out; start only one",
        stacklevel=4,
    )


def _orphans(owner: Owner, layout: RunDirectory) -> str:
    """What to say of the processes that hold the lock of one that is dead."""
    found = _holders(layout.lock)
    numbers = " ".join(map(str, found))
    which = f": kill -KILL {numbers} ends them" if found else ""
    return (
        f"{owner} was at work in {layout.root} and is dead, but processes that it started still hold the directory"
        f"{which}; end them, or choose another --experiment"
    )


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


def _owner(file: IO[str]) -> Owner | None:
    """The process that the lock file names."""
    file.seek(0)
    match = re.match(r"(\d{1,10})(?: ([\w.-]+))?\s*$", file.read(300))
    return Owner(int(match[1]), match[2] or "") if match else None


def _write(file: IO[str], text: str) -> None:
    file.seek(0)
    file.truncate(0)
    file.write(text)
    file.flush()
