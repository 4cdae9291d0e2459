"""Text files of the user's."""

from pathlib import Path

from app.errors import UserError


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
