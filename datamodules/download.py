"""Downloads a file from the first mirror that has the right one."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from app.common.errors import UserError
from app.common.files import write_atomically


def fetch(
    filename: str,
    sha256: str | None,
    mirrors: Sequence[str],
    directory: Path,
    *,
    timeout: float = 30.0,
    progressbar: bool = True,
) -> Path:
    """Download a file; it appears in the directory complete and with the right checksum, or not at all.

    Args:
        filename: the file's name, at the mirrors and in the directory.
        sha256: hex checksum of the file as it is served; None to skip this check.
        mirrors: base URLs, tried in this order.
        directory: where to save the file; created if it does not exist.
        timeout: seconds to wait for a mirror to connect and between two reads.
        progressbar: show the progress on stderr.

    Returns:
        The path of the file.

    Raises:
        UserError: no mirror has the right file, or the directory cannot be written to.
    """
    pooch.get_logger().setLevel("WARNING")  # else it reports every download on stderr
    failures = []
    # Download to a temporary directory first, so that a failed download leaves nothing behind.
    with tempfile.TemporaryDirectory() as temporary:
        for mirror in mirrors:
            url = f"{mirror.rstrip('/')}/{filename}"
            bar = DownloadBar(filename) if progressbar else None
            downloader = pooch.HTTPDownloader(progressbar=bar or False, timeout=timeout, chunk_size=1 << 16)
            try:
                fetched = pooch.retrieve(url, sha256, fname=filename, path=temporary, downloader=downloader)
            except (OSError, ValueError) as error:
                failures.append(f"{urlsplit(url).netloc or url}: {_reason(error)}")
            else:
                return _keep(Path(fetched), directory / filename)
            finally:
                if bar is not None:
                    bar.close()
    raise UserError(
        f"{filename}: no mirror has it ({'; '.join(failures) or 'none is given'}); "
        f"check the network, or put the file into {directory} yourself"
    )


class DownloadBar:
    """A bar of rich that pooch can drive; one line at the beginning where the console is not a terminal.

    Args:
        filename: what is downloaded.
        console: where to show it; stderr by default.

    Attributes:
        total: bytes of the file, set by pooch; 0 where the mirror does not say.
    """

    def __init__(self, filename: str, console: Console | None = None) -> None:
        console = console or Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_interactive)
        self._task = self._bars.add_task(filename, total=None)
        self._announced = console.is_interactive
        self.filename = filename
        self.total = 0
        self._bars.start()

    def update(self, size: int) -> None:
        """Count bytes that have arrived."""
        if not self._announced:
            self._bars.console.print(f"downloading {self.filename}, {self.total / 1e6:.1f} MB", soft_wrap=True)
            self._announced = True
        self._bars.update(self._task, total=self.total or None, advance=size)

    def reset(self) -> None:
        """Count from 0 again."""
        self._bars.reset(self._task, total=self.total or None)

    def close(self) -> None:
        """Remove the bar."""
        self._bars.stop()


def _keep(fetched: Path, target: Path) -> Path:
    try:
        write_atomically(target, fetched.read_bytes())
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{target}: cannot be written ({error.strerror}); choose another data_dir") from None
    return target


def _reason(error: Exception) -> str:
    """The error in a word or two; HTTP errors are OSErrors, pooch's error for a wrong checksum is a ValueError."""
    if not isinstance(error, OSError):
        return "wrong checksum"
    response = getattr(error, "response", None)
    return type(error).__name__ if response is None else f"HTTP {response.status_code}"
