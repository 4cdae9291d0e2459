"""The origin of results: versions of packages and checksums of files."""

import hashlib
import platform
import subprocess
from functools import cache
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


@cache
def commit() -> str | None:
    """The commit of the checkout that this code runs from, with "+" if files differ from it; None outside of one."""
    checkout = Path(__file__).resolve().parents[2]
    # A package that is installed may lie inside the checkout of something else.
    if _git(checkout, "rev-parse", "--show-toplevel") != str(checkout):
        return None
    changed = "+" if _git(checkout, "status", "--porcelain", "--untracked-files=no") else ""
    found = _git(checkout, "rev-parse", "HEAD")
    return f"{found}{changed}" if found else None


def _git(directory: Path, *arguments: str) -> str:
    """What git answers; nothing where there is no git or no answer."""
    try:
        asked = subprocess.run(["git", "-C", str(directory), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return asked.stdout.strip()
