"""Compiles the time steps in csrc/ at first use and keeps the library in the user's cache directory.

They are optional: without a compiler, or if the build fails, a line is logged and the PyTorch steps are used. The name
of the library contains a hash of its source, its flags and the processor, so each combination is built only once, and
a hash of its content: a damaged file, which could crash the process, is not loaded and is built again.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import platformdirs

from app.common.errors import first_line
from app.common.processor import cpuinfo

SOURCES = Path(__file__).parent / "csrc"
# Not -ffast-math: NaN could go unnoticed, and linking it in changes the floating-point mode of the whole process.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-fPIC", "-shared")
COMPILER = "c++"

log = logging.getLogger(__name__)


class Library(ctypes.CDLL):
    """The compiled library.

    Args:
        path: of the file.

    Attributes:
        digest: the first 16 digits of its SHA-256.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.digest = path.stem.rpartition("-")[2]


@functools.cache
def library() -> Library | None:
    """The compiled library, built if necessary; None if that is not possible."""
    try:
        return Library(_whole() or _build())
    except (OSError, subprocess.SubprocessError) as error:
        detail = first_line(getattr(error, "stderr", None) or error)
        log.info("The recurrent layers run without their compiled steps, more slowly: %s", detail)
        return None


def library_digest() -> str | None:
    """The first 16 digits of the SHA-256 of the library that this process uses; None if it uses none."""
    found = library()
    return None if found is None else found.digest


def _cache() -> Path:
    return Path(platformdirs.user_cache_dir("trees-and-tickets", appauthor=False))


def _key() -> str:
    """Hash of all that the library depends on; native code for another processor would crash this one."""
    told = sorted((name, cpuinfo().get(name, "")) for name in ("model name", "flags", "CPU part", "Features"))
    parts = (
        *(path.read_bytes() for path in sorted(SOURCES.iterdir())),
        repr((FLAGS, platform.machine(), platform.processor(), told)).encode(),
    )
    return _digest(b"\0".join(parts))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _whole() -> Path | None:
    """A library in the cache whose content is that which its name says; None if there is none."""
    for path in sorted(_cache().glob(f"recurrent-{_key()}-*.so")):
        if _digest(path.read_bytes()) == path.stem.rpartition("-")[2]:
            return path
        log.info("%s is damaged and is compiled again", path)
    return None


def _build() -> Path:
    """Compile in a temporary folder, check that the result can be loaded, and move it into the cache.

    Processes that build at the same time never see a partial file.
    """
    compiler = shlex.split(os.environ.get("CXX", COMPILER))
    if not compiler or shutil.which(compiler[0]) is None:
        raise FileNotFoundError(f"no C++ compiler ({' '.join(compiler)}); the variable CXX can name one")
    cache, key = _cache(), _key()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        built = Path(folder) / f"recurrent-{key}.so"
        log.info("Compiling the recurrent layers' time steps, once for this machine, to %s", cache)
        command = [*compiler, *FLAGS, *map(str, sorted(SOURCES.glob("*.cpp"))), "-o", str(built)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        ctypes.CDLL(str(built))
        path = cache / f"recurrent-{key}-{_digest(built.read_bytes())}.so"
        built.replace(path)
    return path
