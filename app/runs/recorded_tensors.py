"""Weights and masks of a run, compared with their checksums."""

from pathlib import Path

from torch import Tensor

from app.common.errors import UserError
from app.common.states import digest
from app.runs.checksums import compare, moment_of, remedy
from app.runs.tensors import load_tensors


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Weights or masks that a run has written, the same as when they were recorded.

    Raises:
        UserError: the file is missing, damaged or another one; the message says what makes it again.
    """
    moment = moment_of(path)
    try:
        tensors = load_tensors(path)
    except UserError as error:
        raise UserError(f"{error}; {remedy(path)}") from None
    compare(path, moment, lambda: digest(tensors))
    return tensors
