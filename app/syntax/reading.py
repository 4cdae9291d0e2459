"""Text files of the user's, line by line."""

from pathlib import Path

from app.errors import UserError


def read_lines(path: Path) -> list[str]:
    """The lines of a text without their ends.

    Raises:
        UserError: not a file that can be read, not UTF-8, or nothing in it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: not UTF-8 ({error.reason}); save it as UTF-8") from None
    if not text.strip():
        raise UserError(f"{path}: is empty; expected sentences")
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]
