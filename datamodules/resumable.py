"""Downloads a large file in as many attempts as it takes: what has arrived is kept and gone on with.

pooch, which does the like, neither goes on with a download nor bounds what a mirror sends.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from app.common.errors import UserError
from datamodules.alone import alone
from datamodules.download import FULL, reason, receive
from datamodules.transfer import Transfer, TransferError, WrongContentError

PART = ".part"


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
    with alone(path, path):
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
