"""Downloads a file from the first mirror that has the right one."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pooch

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
    downloader = pooch.HTTPDownloader(progressbar=progressbar, timeout=timeout, chunk_size=1 << 16)
    failures = []
    # Download to a temporary directory first, so that a failed download leaves nothing behind.
    with tempfile.TemporaryDirectory() as temporary:
        for mirror in mirrors:
            url = f"{mirror.rstrip('/')}/{filename}"
            try:
                fetched = pooch.retrieve(url, sha256, fname=filename, path=temporary, downloader=downloader)
            except (OSError, ValueError) as error:
                failures.append(f"{urlsplit(url).netloc or url}: {_reason(error)}")
            else:
                return _keep(Path(fetched), directory / filename)
    raise UserError(
        f"{filename}: no mirror has it ({'; '.join(failures) or 'none is given'}); "
        f"check the network, or put the file into {directory} yourself"
    )


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
