"""The origin of results: versions of packages and checksums of files."""

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

from app import __version__


def versions() -> dict[str, str]:
    """Versions of all packages that can change a bit of a result."""
    packages = {name: version(name) for name in ("torch", "lightning", "torchmetrics", "numpy")}
    # Not from its metadata, which a checkout that is not installed does not have.
    return {"trees-and-tickets": __version__} | packages | {"python": platform.python_version()}


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
