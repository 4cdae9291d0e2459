"""Compiles the time steps in csrc/ at first use and keeps the library in the user's cache directory.

They are optional: without a compiler, or if the build fails, a line is logged and the PyTorch steps are used. The name
of the library contains a hash of its source, its flags and the processor, so each combination is built only once.
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

SOURCES = Path(__file__).parent / "csrc"
# Not -ffast-math: NaN could go unnoticed, and linking it in changes the floating-point mode of the whole process.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-fPIC", "-shared")
COMPILER = "c++"

log = logging.getLogger(__name__)


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled library, built if necessary; None if that is not possible."""
    try:
        path = _cache() / f"recurrent-{_key()}.so"
        if not path.exists():
            _build(path)
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", None) or error
        log.info("The recurrent layers run without their compiled steps, more slowly: %s", detail)
        return None


def _cache() -> Path:
    return Path(platformdirs.user_cache_dir("trees-and-tickets", appauthor=False))


def _key() -> str:
    """Hash of all that the library depends on; native code for another processor would crash this one."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    told = sorted({line for line in lines if line.startswith(("model name", "flags", "CPU part", "Features"))})
    parts = (
        *(path.read_bytes() for path in sorted(SOURCES.iterdir())),
        repr((FLAGS, platform.machine(), platform.processor(), told)).encode(),
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _build(path: Path) -> None:
    """Compile in a temporary folder, then move: processes that build at the same time never see a partial file."""
    compiler = shlex.split(os.environ.get("CXX", COMPILER))
    if not compiler or shutil.which(compiler[0]) is None:
        raise FileNotFoundError(f"no C++ compiler ({' '.join(compiler)}); the variable CXX can name one")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        built = Path(folder) / path.name
        log.info("Compiling the recurrent layers' time steps, once for this machine, to %s", path)
        command = [*compiler, *FLAGS, "-o", str(built), str(SOURCES / "recurrent.cpp")]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        built.replace(path)
