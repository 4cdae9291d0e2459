"""The origin of results: versions of packages and checksums of files."""

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path


def versions() -> dict[str, str]:
    """Versions of all packages that can change a bit of a result."""
    packages = {name: version(name) for name in ("trees-and-tickets", "torch", "lightning", "torchmetrics", "numpy")}
    return packages | {"python": platform.python_version()}


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
