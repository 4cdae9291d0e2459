"""Writes files so that a reader never sees an incomplete one."""

import os
from pathlib import Path


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file so that it is at every instant either the complete old one or the complete new one.

    Raises:
        OSError: the system refuses (disk full, no permission); the old file is then unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_leftovers(root: Path) -> None:
    """Delete the temporary files of writers that were killed; the caller must hold the lock of the run directory."""
    for path in root.rglob(".*.tmp"):
        path.unlink(missing_ok=True)
