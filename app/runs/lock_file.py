"""The file of a lock: created with the line of its process in it, opened, and locked by the system."""

import errno
import os
import stat
import uuid
from contextlib import suppress
from pathlib import Path

from app.common.errors import UserError
from app.common.files import LEFTOVER, NO_LOCKS
from app.runs.file_systems import locks_are_shared
from app.runs.owner import Owner

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)  # of file systems where a file has one name
GONE = (errno.ENOENT, errno.ESTALE)  # answers where another process has deleted the file meanwhile


def open_or_create(path: Path) -> tuple[int, bool] | None:
    """A descriptor of the file, and whether this has created it; None if it was deleted or created just now.

    A symbolic link is not followed, or its target would be overwritten.

    Raises:
        UserError: the file is not one of this program.
    """
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = -1
    try:
        if path.is_symlink():  # Windows knows no O_NOFOLLOW
            raise IsADirectoryError
        descriptor = os.open(path, flags)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise IsADirectoryError
    except FileNotFoundError:
        created = _create(path)
        return None if created is None else (created, True)
    except OSError as error:
        if path.is_symlink() or isinstance(error, IsADirectoryError) or error.errno == errno.ENXIO:
            raise UserError(f"{path}: expected a file of this program, and it is none; remove it") from None
        if error.errno in GONE:
            return None
        raise
    return descriptor, False


def _create(path: Path) -> int | None:
    """A descriptor of the file, which this creates with the line of this process; None if there is one meanwhile.

    A process that is killed here leaves none, or one with its line; where the file system gives a file one name only,
    perhaps one without.
    """
    if os.name == "nt":  # deletes no open file
        return _new(path)
    # On machines that share the directory, processes have the same numbers.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{LEFTOVER}")
    descriptor = _new(temporary)
    if descriptor is None:
        return None
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno in NO_LINKS:
            os.close(descriptor)
            return _new(path)
        if error.errno != errno.EEXIST and error.errno not in GONE:
            raise
    finally:
        with suppress(OSError):  # its directory was deleted
            temporary.unlink()
    # A network file system that has asked twice says that the file exists, and it is this one.
    if is_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


def _new(path: Path) -> int | None:
    """A descriptor of a new file with the line of this process; None if there is such a file, or no such directory."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except (FileExistsError, FileNotFoundError):
        return None
    try:
        write(descriptor, Owner.this().line)
    except BaseException:
        os.close(descriptor)
        path.unlink(missing_ok=True)
        raise
    return descriptor


def flock(descriptor: int, path: Path, *, shared: bool = False) -> bool | None:
    """Take the lock of an open file if it is free; None if there are no locks here that all machines see."""
    if fcntl is None or not locks_are_shared(path.parent):
        return None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            return None
        if error.errno in GONE:
            return True  # and `is_at` says that it is not that of the path
        raise
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one that has this path."""
    try:
        here, there = os.fstat(descriptor), os.stat(path, follow_symlinks=False)
    except OSError as error:
        if error.errno in GONE:
            return False
        raise
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def read(descriptor: int) -> str:
    """The first bytes of an open file."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, 300).decode(errors="replace")


def write(descriptor: int, text: str) -> None:
    """Replace the content of an open file."""
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text.encode())
