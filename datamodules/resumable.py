"""Downloads a large file in as many attempts as it takes: what has arrived is kept and gone on with.

pooch, which does the like, neither goes on with a download nor bounds what a mirror sends.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from app.common.errors import UserError
from datamodules.download import FULL, made, reason, receive
from datamodules.transfer import Transfer, TransferError, WrongContentError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PART = ".part"

log = logging.getLogger(__name__)


@contextmanager
def fetched(
    filename: str,
    sha256: str,
    mirrors: Sequence[str],
    directory: Path,
    *,
    size: int,
    wanted: Callable[[], bool],
    timeout: float = 30.0,
    progressbar: bool = True,
) -> Iterator[Path | None]:
    """Download a file for as long as the context lasts; what is left of an attempt that ended stays for the next one.

    Processes that want the same file wait for each other (where the system has locks of files), and whoever comes later
    asks again whether it is wanted.

    Args:
        filename: the file's name at the mirrors; in the directory, it has ".part" behind it.
        sha256: hex checksum of the file as it is served.
        mirrors: base URLs, tried in this order; each goes on where the one before it broke off.
        directory: where the file is kept; created if it does not exist.
        size: bytes of the file.
        wanted: whether it still has to be downloaded.
        timeout: seconds to wait for a mirror to connect and between two bytes; twice as long for each 16 KB.
        progressbar: show the progress on stderr.

    Yields:
        Where the complete file is, until the context ends; None if it is not wanted any more.

    Raises:
        UserError: no mirror has the right file, or the directory cannot be written to.
        OSError: the disk is full.
    """
    path = directory / f"{filename}{PART}"
    with _alone(path):
        if not wanted():
            path.unlink(missing_ok=True)
            yield None
            return
        failures = []
        for mirror in mirrors:
            url = f"{mirror.rstrip('/')}/{filename}"
            try:
                _complete(url, path, sha256, size, timeout, filename if progressbar else None)
            except (OSError, ValueError, TransferError) as error:
                if getattr(error, "errno", None) in FULL:
                    raise
                failures.append(f"{urlsplit(url).netloc or url}: {reason(error)}")
            else:
                yield path
                path.unlink()
                return
        kept = path.stat().st_size
    raise UserError(
        f"{filename}: no mirror has it ({'; '.join(failures) or 'none is given'}); "
        + (f"{kept / 1e6:.1f} MB of it are kept, and the same command goes on from there; " if kept else "")
        + f"check the network, or put the file into {directory} yourself"
    )


def _complete(url: str, path: Path, sha256: str, size: int, timeout: float, shown: str | None) -> None:
    """Receive from one mirror what is missing of a file.

    Where the whole is another file than wanted, it is thrown away; if a part of it was there before, which may be to
    blame, the mirror is asked for all of it.
    """
    before = path.stat().st_size
    try:
        receive(Transfer(url, path, most=size, timeout=timeout, resume=True), sha256, shown)
    except WrongContentError:
        os.truncate(path, 0)
        if not before:
            raise
        _complete(url, path, sha256, size, timeout, shown)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let other processes wait for the file, which exists until the end, and afterwards if anything is in it."""
    with made(path.parent):
        while True:
            with open(path, "ab") as file:
                _lock(file)
                # Whoever had it before may have removed it, and another one may have made it anew.
                if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                    continue
                try:
                    yield
                finally:
                    if not os.fstat(file.fileno()).st_size:
                        path.unlink(missing_ok=True)
                return


def _lock(file: IO[bytes]) -> None:
    """Wait until no other process has the file, until it is closed or the process has ended."""
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("Another process downloads %s; waiting for it", file.name)
        fcntl.flock(file, fcntl.LOCK_EX)
