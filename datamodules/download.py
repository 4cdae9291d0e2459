"""Downloads a file from the first mirror that has the right one."""

import errno
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from app.common.errors import UserError
from datamodules.alone import alone
from datamodules.transfer import Transfer, TransferError

LOCK = ".download.lock"
FULL = (errno.ENOSPC, errno.EDQUOT)


def fetch(
    filename: str,
    sha256: str | None,
    mirrors: Sequence[str],
    directory: Path,
    *,
    most: int,
    timeout: float = 30.0,
    progressbar: bool = True,
    arrived: Callable[[Path], None] | None = None,
) -> Path:
    """Download a file; it appears in the directory complete and with the right checksum, or not at all.

    Processes that want a file of the same directory wait for each other (where the system has locks of files), and
    whoever comes later takes what is there by then.

    Args:
        filename: the file's name, at the mirrors and in the directory.
        sha256: hex checksum of the file as it is served; None to check only that it is no page of HTML.
        mirrors: base URLs, tried in this order.
        directory: where to save the file; created if it does not exist.
        most: bytes that the file can have; a mirror that sends more is given up.
        timeout: seconds to wait for a mirror to connect and between two bytes; twice as long for each 16 KB.
        progressbar: show the progress on stderr.
        arrived: called with the complete file before it appears, and while other processes wait.

    Returns:
        The path of the file.

    Raises:
        UserError: no mirror has the right file, or the directory cannot be written to.
        OSError: the disk is full.
    """
    path, failures = directory / filename, []
    # The thread of a mirror that was given up may still write there.
    with (
        alone(directory / LOCK, path),
        tempfile.TemporaryDirectory(prefix=".download-", dir=directory, ignore_cleanup_errors=True) as temporary,
    ):
        if path.exists():
            return path
        folder = Path(temporary)
        for mirror in mirrors:
            url = f"{mirror.rstrip('/')}/{filename}"
            try:
                transfer = Transfer(url, folder / filename, most=most, timeout=timeout)
                receive(transfer, sha256, filename if progressbar else None)
            except (OSError, ValueError, TransferError) as error:
                if getattr(error, "errno", None) in FULL:
                    raise
                failures.append(f"{urlsplit(url).netloc or url}: {reason(error)}")
            else:
                if arrived is not None:
                    arrived(folder / filename)
                os.replace(folder / filename, path)
                return path
    raise UserError(
        f"{filename}: no mirror has it ({'; '.join(failures) or 'none is given'}); "
        f"check the network, or put the file into {directory} yourself"
    )


def receive(transfer: Transfer, sha256: str | None, shown: str | None) -> None:
    """Wait until a file is there, and check it.

    Args:
        transfer: of the file.
        sha256: its hex checksum; None to check only that it is no page of HTML.
        shown: its name in the progress bar; None for no bar.

    Raises:
        TransferError: it is another file, too large, too slow or incomplete.
        OSError: the mirror cannot be reached or breaks off, or the file cannot be written.
    """
    bar = DownloadBar(shown) if shown is not None else None
    try:
        while (received := transfer.wait()) is not None:
            if bar is not None:
                bar.show(received, transfer.total)
        transfer.check(sha256)
    finally:
        transfer.stop()
        if bar is not None:
            bar.close()


class DownloadBar:
    """A bar of rich; one line at the beginning where the console is not a terminal.

    Args:
        filename: what is downloaded.
        console: where to show it; stderr by default.
    """

    def __init__(self, filename: str, console: Console | None = None) -> None:
        console = console or Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_interactive)
        self._task = self._bars.add_task(filename, total=None)
        self._announced = console.is_interactive
        self.filename = filename
        self._bars.start()

    def show(self, received: int, total: int) -> None:
        """Show the progress.

        Args:
            received: bytes that have arrived.
            total: bytes of the file; 0 where the mirror does not say.
        """
        if not self._announced:
            size = f", {total / 1e6:.1f} MB" if total else ""
            self._bars.console.print(f"downloading {self.filename}{size}", soft_wrap=True)
            self._announced = True
        self._bars.update(self._task, total=total or None, completed=min(received, total or received))

    def close(self) -> None:
        """Remove the bar."""
        self._bars.stop()


def reason(error: Exception) -> str:
    """Say an error of a transfer in a few words.

    Args:
        error: those of HTTP are OSErrors, and an invalid address gives a ValueError.
    """
    if isinstance(error, TransferError):
        return str(error)
    response = getattr(error, "response", None)
    return type(error).__name__ if response is None else f"HTTP {response.status_code}"
