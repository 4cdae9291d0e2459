"""SHA-256 checksums of a folder's files, and the file that lists them."""

import hashlib
from pathlib import Path

from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.text_files import read_text

SUMS = "SHA256SUMS"


def sha256_of(path: Path) -> str:
    """The hex checksum of a file's content.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected a text") from None


def read_sums(folder: Path) -> dict[str, str]:
    """Read checksums by file name, in the format of `sha256sum`; empty if there is no such file.

    Raises:
        UserError: a line is none of that format.
    """
    if not (folder / SUMS).exists():
        return {}
    text, _ = read_text(folder / SUMS, 1 << 16)
    pairs = [line.split() for line in text.splitlines()]
    for number, pair in enumerate(pairs, start=1):
        if len(pair) != 2:
            raise UserError(f"{folder / SUMS}, line {number}: expected a SHA-256 and the name of a file")
    return {name.removeprefix("*").removeprefix("./"): digest for digest, name in pairs}


def add_sum(folder: Path, file: Path) -> None:
    """Add the checksum of a file to those of a folder, which may be the user's, unless one of its name is there.

    No other process may do so at the same time.

    Args:
        folder: where the list is, and the file will be.
        file: where it is now.

    Raises:
        UserError: the list is of another format.
    """
    if file.name in read_sums(folder):
        return
    path = folder / SUMS
    before = path.read_text("utf-8") if path.exists() else ""
    ended = before if not before or before.endswith("\n") else f"{before}\n"
    write_atomically(path, f"{ended}{sha256_of(file)}  {file.name}\n")
