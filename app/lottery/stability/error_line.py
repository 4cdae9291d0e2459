"""The file of the error on the line between two copies."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.text_files import read_json


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLine:
    """What was measured on the line between two copies.

    Args:
        metric: whose errors they are.
        errors: at evenly spaced places, both ends among them.
        checksums: of the weights of the two copies.
    """

    metric: str
    errors: Sequence[float]
    checksums: Sequence[str]


def read_line(path: Path) -> ErrorLine | None:
    """What `write_line` wrote; None where there is no file.

    Raises:
        UserError: it is something else.
    """
    if not path.exists():
        return None
    try:
        line = ErrorLine(**read_json(path))
        if not all(isinstance(error, float) for error in line.errors):
            raise TypeError("its errors are no numbers")
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: not the errors on a line ({error}); delete it, and it is measured again") from None
    return line


def write_line(path: Path, line: ErrorLine) -> None:
    """Write the file atomically."""
    write_atomically(path, json.dumps(asdict(line), indent=2) + "\n")
