"""Lets one process at a time download into a directory."""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from app.common.errors import UserError
from app.common.files import NO_LOCKS
from app.common.loading import is_first_process

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

UNUSABLE = (errno.EEXIST, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)

_TRIES = 100

log = logging.getLogger(__name__)


@contextmanager
def alone(path: Path, wanted: Path) -> Iterator[None]:
    """Let other processes wait until the end, where the system has locks of files.

    Args:
        path: the file that is locked, in a directory that is made; it vanishes if it is empty in the end.
        wanted: what is downloaded meanwhile, to tell those who wait.

    Raises:
        UserError: nothing can be written there.
    """
    with made(path.parent):
        while True:
            _make(path.parent)  # whoever had it before may have removed that too
            try:
                file = open(path, "ab")  # noqa: SIM115  closed below
            except FileNotFoundError:
                continue
            with file:
                _lock(file, wanted)
                if not _is_at(file, path):
                    continue
                try:
                    yield
                finally:
                    if not os.fstat(file.fileno()).st_size:
                        path.unlink(missing_ok=True)
                return


def _lock(file: IO[bytes], wanted: Path) -> None:
    """Wait until no other process has the file, until it is closed or the process has ended."""
    if fcntl is None:
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if is_first_process():
                log.info("Another process downloads %s; waiting for it", wanted)
            fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether an open file still has this path: others may have removed it, and made another one."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _make(directory: Path) -> None:
    """Make a directory, also where other processes are just removing it and those above it."""
    for last in (*[False] * _TRIES, True):
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except (FileNotFoundError, FileExistsError):
            if last:
                raise
        else:
            return


@contextmanager
def made(directory: Path) -> Iterator[None]:
    """Make a directory, which vanishes if it is empty in the end.

    Raises:
        UserError: nothing can be written there.
    """
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    try:
        _make(directory)
        yield
    except OSError as error:
        if error.errno not in UNUSABLE:
            raise
        raise UserError(f"{directory}: cannot be written ({error.strerror}); choose another data_dir") from None
    finally:
        with suppress(OSError):  # it is in use
            for each in missing:
                each.rmdir()
