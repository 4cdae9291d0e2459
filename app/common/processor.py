"""What processor this is: results differ in their bits between instruction sets."""

import functools
import platform
import re
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")
# The instructions that products and activations are computed with, on x86 and on Arm.
_ARITHMETIC = re.compile(r"(avx|amx|fma|f16c|asimd|sve|sme(?!p)|bf16|i8mm)\w*")


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


def instruction_set() -> str:
    """What arithmetic is computed with: the level that torch chose, the maker, and the processor's own instructions."""
    maker = cpuinfo().get("vendor_id") or platform.machine()
    arithmetic = [flag for flag in flags() if _ARITHMETIC.fullmatch(flag)]
    return " ".join([torch.backends.cpu.get_cpu_capability(), maker, *arithmetic])
