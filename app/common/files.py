"""Writes files so that a reader never sees an incomplete one, and that they survive a loss of power.

A system keeps what is written in memory for some seconds. A file is on the disk after `fsync` of the file, and its name
after `fsync` of its directory.
"""

import errno
import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LEFTOVER = ".trees-and-tickets.tmp"  # no name that a user would give to a file

NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)  # answers of file systems without locks

# What systems answer that cannot synchronise a directory; there is then nothing to be done.
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM)

_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_atomically(path: Path, data: bytes | memoryview | str, *, previous: Path | None = None) -> None:
    """Write a file so that it is at every instant either the complete old one or the complete new one.

    When the function returns, the new file is on the disk.

    Args:
        path: the file.
        data: its content.
        previous: where the old file is kept, on file systems that can give a file a second name.

    Raises:
        OSError: the system refuses (disk full, no permission); names `path`. The old file is then unchanged.
    """
    # "x": a symbolic link that somebody gave the name of the temporary file is not followed.
    with replacing(path, previous=previous) as temporary, open(temporary, "xb") as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def replacing(path: Path, *, previous: Path | None = None) -> Iterator[Path]:
    """A temporary file beside `path`, for the caller to write, which takes the place of `path` in the end.

    Args:
        path: the file.
        previous: as in `write_atomically`.

    Raises:
        OSError: as `write_atomically`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{LEFTOVER}")
    try:
        make_directory(path.parent)
        temporary.unlink(missing_ok=True)
        yield temporary
        _sync_file(temporary)
        if previous is not None and path.exists():
            _name_again(path, previous)
        os.replace(temporary, path)
        sync_directory(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno:  # it may name the temporary file, or no file at all
            error.filename = str(path)
        raise


def make_directory(path: Path) -> None:
    """Create a directory, and those above it that are missing, on the disk too."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync_directory(each.parent)


def unwritable(directory: Path) -> str:
    """Why no file can be written into a directory, which may not exist yet; empty if one can.

    To be asked before results are computed: a place that is no directory, is on a file system that is read-only, or
    that the user may not write to. A full disk is none of these.
    """
    above = next(each for each in (directory, *directory.parents) if os.path.lexists(each) or each == each.parent)
    try:
        with tempfile.TemporaryFile(dir=above):
            return ""
    except OSError as error:
        if error.errno in _FULL:
            return ""
        return f"{above} is no directory" if error.errno == errno.ENOTDIR else f"{above}: {error.strerror}"


def remove(path: Path) -> None:
    """Delete a file, on the disk too; nothing happens if there is none."""
    with suppress(FileNotFoundError):
        path.unlink()
        sync_directory(path.parent)


def sync(path: Path) -> None:
    """Wait until a file is on the disk as it is now."""
    _sync_file(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk, where the system can do that (Windows cannot)."""
    descriptor = None
    try:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        if descriptor is not None:
            os.close(descriptor)


def remove_leftovers(root: Path) -> None:
    """Delete the temporary files of writers that were killed; the caller must hold the lock of the run directory."""
    for path in root.rglob(f".*{LEFTOVER}"):
        path.unlink(missing_ok=True)


def remove_leftovers_of(path: Path) -> None:
    """Delete the temporary files of killed writers of one file; no other process may be writing it."""
    for each in path.parent.glob(f".{glob.escape(path.name)}.*{LEFTOVER}"):
        each.unlink(missing_ok=True)


def _sync_file(path: Path) -> None:
    with open(path, "r+b") as file:  # Windows synchronises only what may be written
        os.fsync(file.fileno())


def _name_again(path: Path, other: Path) -> None:
    """Give a file a second name, if the file system can; a file that has this name already is replaced."""
    temporary = other.with_name(f".{other.name}.{os.getpid()}{LEFTOVER}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(path, temporary)
    except OSError:
        return
    try:
        os.replace(temporary, other)
    finally:
        temporary.unlink(missing_ok=True)
