"""Text files of the user's."""

from pathlib import Path

from app.common.errors import UserError


def read_text(path: Path) -> tuple[str, bytes]:
    """A file's text, without a byte order mark, and its bytes.

    Raises:
        UserError: not a file that can be read, or not UTF-8; names the line.
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
    """The lines of a text without their ends.

    Raises:
        UserError: as `read_text` does, or nothing in it.
    """
    text, _ = read_text(path)
    if not text.strip():
        raise UserError(f"{path}: is empty; expected text, line by line")
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]
