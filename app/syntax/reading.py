"""Text files of the user's, line by line."""

from pathlib import Path

from app.errors import UserError
from app.text_files import read_text


def read_lines(path: Path) -> list[str]:
    """The lines of a text without their ends.

    Raises:
        UserError: not a file that can be read, not UTF-8, or nothing in it.
    """
    text, _ = read_text(path)
    if not text.strip():
        raise UserError(f"{path}: is empty; expected sentences")
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]
