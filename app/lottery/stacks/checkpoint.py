"""The file from which networks that are trained at once go on."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.common.errors import UserError
from app.common.files import write_atomically
from app.runs.checkpoints import read_archive
from app.runs.layout import NetworkKey

REMEDY = "delete it to begin the networks in it again"


@dataclass(frozen=True, kw_only=True)
class StackCheckpoint:
    """A moment of their training.

    Args:
        networks: their directories, in the order of the tensors.
        training: the state of a `StackedTraining`.
        rows: rows of metrics.csv of each so far.
        seconds: spent so far, by all processes.
        initial: what each network measured before its training, by its directory.
        failed: why a network is given up, by its directory.
        rewind_points: the states that tickets are rewound to, by directory of the dense network.
        kernels: every set that they were computed with.
    """

    networks: list[str]
    training: dict[str, Any]
    rows: int
    seconds: float
    initial: dict[str, dict[str, float]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    rewind_points: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    kernels: list[dict[str, Any]] = field(default_factory=list)

    @property
    def keys(self) -> list[NetworkKey]:
        """The networks."""
        found = [NetworkKey.of_path(path) for path in self.networks]
        return [key for key in found if key is not None]

    def save(self, path: Path) -> None:
        """Write it atomically; when this returns, it is on the disk."""
        file = io.BytesIO()
        torch.save({"version": 1, **vars(self)}, file)
        with file.getbuffer() as content:  # released at once: a failure would keep it
            write_atomically(path, content)


def read_stack(path: Path) -> StackCheckpoint | None:
    """What `save` wrote; None if there is no file.

    Raises:
        UserError: it is something else.
    """
    if not path.exists():
        return None
    try:
        found = read_archive(path)
    except UserError as error:
        raise UserError(f"{error}; {REMEDY}") from None
    if isinstance(found, dict) and found.pop("version", None) == 1:
        return StackCheckpoint(**found)
    raise UserError(f"{path}: no state of networks trained at once, or of another version; {REMEDY}")
