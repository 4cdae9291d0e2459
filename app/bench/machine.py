"""Description of the machine on which a benchmark runs."""

import os
import platform
from typing import Any

import torch

from app.common.processor import cpuinfo, flags
from app.lottery.workers.limits import cores
from app.nets.fused.build import library
from app.nets.fused.products import onednn
from app.runs.provenance import versions

# Processor flags of bfloat16 products: two of x86, one of Arm.
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def machine(threads: int) -> dict[str, Any]:
    """Versions, processor, and which of the fast implementations are available; compiles the time steps if necessary.

    Args:
        threads: of torch.
    """
    return {
        "versions": versions(),
        "processor": cpuinfo().get("model name") or platform.processor() or platform.machine(),
        "cores": cores(),
        "load": load_average(),
        "threads": threads,
        "bf16_products": has_bf16_products(),
        "compiled_steps": library() is not None,
        "onednn_products": onednn() is not None,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def heading(found: dict[str, Any]) -> str:
    """The description in three lines."""
    has = {True: "yes", False: "no"}
    packages = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    load = "" if found["load"] is None else f", load {found['load']:.1f}"
    threads = f"{found['threads']} thread{'s' * (found['threads'] != 1)}"
    return "\n".join(
        (
            packages,
            f"{found['processor']}, {found['cores']} cores, {threads}{load}; {found['gpu'] or 'no GPU here'}",
            f"compiled steps: {has[found['compiled_steps']]}; oneDNN's products: {has[found['onednn_products']]}; "
            f"bf16 products: {has[found['bf16_products']]}",
        )
    )


def load_average() -> float | None:
    """The system's load average over the last minute; None where it is not available."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def has_bf16_products() -> bool:
    """Whether the processor's flags say that it multiplies bfloat16 in hardware."""
    return not BF16_FLAGS.isdisjoint(flags())
