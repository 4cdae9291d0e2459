"""Reads text files of the user."""

from pathlib import Path

from app.common.errors import UserError


def read_text(path: Path) -> tuple[str, bytes]:
    """A file's text, without a byte order mark, and its bytes.

    Raises:
        UserError: the file cannot be read, or is not UTF-8; the message then names the line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    try:
        return content.decode("utf-8-sig"), content
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: not UTF-8 ({error.reason}); save it as UTF-8") from None


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without their line ends.

    Raises:
        UserError: as `read_text`, or the file is empty.
    """
    text, _ = read_text(path)
    if not text.strip():
        raise UserError(f"{path}: is empty; expected text, line by line")
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]
