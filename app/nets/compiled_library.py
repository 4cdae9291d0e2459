"""Compiles C++ at first use and keeps the library in the user's cache directory.

The name of a library contains a hash of its sources, its flags and the processor, so each combination is built only
once, and a hash of its content: a damaged file, which could crash the process, is not loaded and is built again.
"""

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from app.common.errors import first_line
from app.common.processor import cpuinfo

# Not -ffast-math: NaN could go unnoticed, and linking it in changes the floating-point mode of the whole process.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-fPIC", "-shared")
COMPILER = "c++"

log = logging.getLogger(__name__)


class CompiledLibrary(ctypes.CDLL):
    """A loaded library.

    Args:
        path: of the file.

    Attributes:
        digest: the first 16 digits of its SHA-256.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.digest = path.stem.rpartition("-")[2]


class Sources:
    """C++ that becomes one library.

    Args:
        name: of the library.
        folder: of all its files; those that end with .cpp are compiled.
        what: it computes, for the log.
        flags: of the compiler besides the usual ones.
        headers: folders of other libraries whose header files it includes.
    """

    def __init__(
        self, name: str, folder: Path, what: str, flags: Sequence[str] = (), headers: Sequence[Path] = ()
    ) -> None:
        self.name = name
        self.folder = folder
        self.what = what
        self.flags = (*FLAGS, *flags)
        self.headers = headers

    def library(self) -> CompiledLibrary | None:
        """The library, built if necessary; None if that is not possible, of which a line is logged."""
        try:
            return CompiledLibrary(self._whole() or self._build())
        except (OSError, subprocess.SubprocessError) as error:
            detail = first_line(getattr(error, "stderr", None) or error)
            log.info("%s run without their compiled code, more slowly: %s", self.what, detail)
            return None

    def key(self) -> str:
        """Hash of all that the library depends on; native code for another processor would crash this one."""
        told = sorted((name, cpuinfo().get(name, "")) for name in ("model name", "flags", "CPU part", "Features"))
        included = (path for folder in self.headers for path in sorted(folder.glob("*.h")))
        parts = (
            *(path.read_bytes() for path in (*sorted(self.folder.iterdir()), *included)),
            repr((self.flags, platform.machine(), platform.processor(), told)).encode(),
        )
        return _digest(b"\0".join(parts))

    def _whole(self) -> Path | None:
        """A library in the cache whose content is that which its name says; None if there is none."""
        for path in sorted(cache().glob(f"{self.name}-{self.key()}-*.so")):
            if _digest(path.read_bytes()) == path.stem.rpartition("-")[2]:
                return path
            log.info("%s is damaged and is compiled again", path)
        return None

    def _build(self) -> Path:
        """Compile in a temporary folder, check that the result can be loaded, and move it into the cache.

        Processes that build at the same time never see a partial file.
        """
        compiler = shlex.split(os.environ.get("CXX", COMPILER))
        if not compiler or shutil.which(compiler[0]) is None:
            raise FileNotFoundError(f"no C++ compiler ({' '.join(compiler)}); the variable CXX can name one")
        key = self.key()
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache()) as folder:
            built = Path(folder) / f"{self.name}-{key}.so"
            log.info("Compiling for %s, once for this machine, to %s", self.what, cache())
            sources = map(str, sorted(self.folder.glob("*.cpp")))
            includes = (f"-I{folder}" for folder in self.headers)
            command = [*compiler, *self.flags, *includes, *sources, "-o", str(built)]
            subprocess.run(command, check=True, capture_output=True, text=True)
            ctypes.CDLL(str(built))
            path = cache() / f"{self.name}-{key}-{_digest(built.read_bytes())}.so"
            built.replace(path)
        return path


def cache() -> Path:
    """The user's cache directory of this program."""
    return Path(platformdirs.user_cache_dir("trees-and-tickets", appauthor=False))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
