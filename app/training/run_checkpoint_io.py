"""How the trainings of a run directory write and read their checkpoints."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from typing_extensions import override

from app.common.files import write_atomically
from app.runs.checkpoints import read_checkpoint


class RunCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints beside their place and to the disk, and reads them without executing code in them.

    Lightning's own writes to `$TMPDIR` and moves the file from there: on another file system the move is not atomic,
    and if `$TMPDIR` is full, the message names the wrong disk. It reads code if `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` is
    set.
    """

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        if "://" in str(path):  # of a callback of the user's, to a store elsewhere
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        # Through memory, as Lightning does it: an error of the system would reach torch's writer as one of its own.
        file = io.BytesIO()
        torch.save(checkpoint, file)
        with file.getbuffer() as content:  # released at once: a failure would keep it
            write_atomically(Path(path), content)

    @override
    def load_checkpoint(
        self, path: str | Path, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return read_checkpoint(Path(path))
