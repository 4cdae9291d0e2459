"""What processor this is: results differ in their bits between instruction sets."""

import functools
import os
import platform
import re
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")
# The instructions that products and activations are computed with, on x86 and on Arm.
_ARITHMETIC = re.compile(r"(avx|amx|fma|f16c|asimd|sve|sme(?!p)|bf16|i8mm)\w*")

# Environment variables with which oneDNN and MKL choose other instructions, or another arithmetic.
LIMITS = (
    *("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_CPU_ISA_HINTS", "DNNL_CPU_ISA_HINTS"),
    *("ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE"),
    *("MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "MKL_DEBUG_CPU_TYPE"),
)


@functools.cache
def cpuinfo() -> dict[str, str]:
    """What the system says of its first processor, by name, such as "model name"; empty where it says nothing."""
    lines = CPUINFO.read_text(errors="replace").partition("\n\n")[0].splitlines() if CPUINFO.exists() else []
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def flags() -> list[str]:
    """The processor's features, such as "avx2", sorted; empty where the system does not say."""
    found = cpuinfo()
    return sorted(set((found.get("flags") or found.get("Features", "")).split()))


def processor_name() -> str:
    """The processor's name; with family and model where the system tells them, since a cloud's names are short."""
    found = cpuinfo()
    name = found.get("model name") or platform.processor() or platform.machine()
    return ", ".join([name, *(f"{key} {found[key]}" for key in ("cpu family", "model", "CPU part") if key in found)])


def instruction_set() -> str:
    """What arithmetic is computed with, in words.

    They are the level that torch chose, the maker, the processor's own instructions, and the environment variables by
    which oneDNN and MKL use less of them.
    """
    maker = cpuinfo().get("vendor_id") or platform.machine()
    arithmetic = [flag for flag in flags() if _ARITHMETIC.fullmatch(flag)]
    limits = [f"{name}={os.environ[name]}" for name in LIMITS if os.environ.get(name)]
    return " ".join([torch.backends.cpu.get_cpu_capability(), maker, *arithmetic, *limits])
