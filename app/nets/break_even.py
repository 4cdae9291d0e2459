"""The density below which a sparse layer trains faster than a dense one on this machine, by kind of layer."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from app.common.files import write_atomically
from app.common.processor import instruction_set, processor_name
from app.nets.compiled_library import cache
from app.nets.on_lstm import ONLSTM
from app.nets.sparse.build import library
from app.nets.sparsify import Kind, densify, sparsify

# From the lowest on, until a sparse layer no longer wins by the margin.
DENSITIES = (0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5, 0.7)
MARGIN = 1.1
ROUNDS = 7

# Layers of middle size, and an input of each: larger ones win from a higher density on.
LAYERS: dict[Kind, Callable[[], tuple[nn.Module, Tensor]]] = {
    "linear": lambda: (nn.Linear(784, 300), torch.randn(60, 784)),
    "conv": lambda: (nn.Conv2d(64, 64, 3, padding=1), torch.randn(8, 64, 16, 16)),
    "recurrent": lambda: (ONLSTM(200, [400]), torch.randn(10, 20, 200)),
}


def break_even(times_as_fast: Callable[[float], float]) -> float:
    """The highest of `DENSITIES` up to which a sparse layer wins by the margin; 0 where it does not at the lowest.

    Args:
        times_as_fast: how many times as fast a sparse layer is as the dense one, by density.
    """
    found = 0.0
    for density in DENSITIES:
        if times_as_fast(density) < MARGIN:
            break
        found = density
    return found


def measured_limits() -> dict[str, float]:
    """The break-even density of each kind of layer on this machine, with torch's threads.

    Measured once for a processor and a number of threads, in seconds, and kept in the user's cache directory, in a file
    that names both; empty without compiled code, which has nothing to win.
    """
    compiled = library()
    if compiled is None:
        return {}
    about = {
        "processor": processor_name(),
        "instructions": instruction_set(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "library": compiled.digest,
    }
    name = hashlib.sha256(repr(about).encode()).hexdigest()[:16]
    path = cache() / f"sparse-limits-{name}.json"
    try:
        found = json.loads(path.read_text())
        if {key: found[key] for key in about} == about:
            return {kind: float(found["densities"][kind]) for kind in LAYERS}
    except (OSError, ValueError, TypeError, KeyError):
        pass
    with _generator_kept():
        limits: dict[str, float] = {kind: break_even(_race(*make())) for kind, make in LAYERS.items()}
    write_atomically(path, json.dumps({**about, "densities": limits}, indent=2) + "\n")
    return limits


@contextmanager
def _generator_kept() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        yield


def _race(layer: nn.Module, x: Tensor) -> Callable[[float], float]:
    """How many times as fast a layer trains when it is sparse, by density."""
    x.requires_grad_()
    weights = {name: weight for name, weight in layer.named_parameters() if weight.ndim >= 2}

    def times_as_fast(density: float) -> float:
        masks = {name: torch.rand_like(weight) < density for name, weight in weights.items()}
        seconds: dict[bool, list[float]] = {False: [], True: []}
        for count in range(2 * (ROUNDS + 1)):
            sparse = bool(count % 2)
            sparsify(layer, masks) if sparse else densify(layer)
            began = time.perf_counter()
            _step(layer, x)
            seconds[sparse].append(time.perf_counter() - began)
        densify(layer)
        # The least of each: whatever else the machine does can only add to it.
        dense, fast = (min(each[1:]) for each in (seconds[False], seconds[True]))
        return dense / fast if fast else math.inf

    return times_as_fast


def _step(layer: nn.Module, x: Tensor) -> None:
    x.grad = None
    layer.zero_grad()
    found = layer(x)
    (found[0] if isinstance(found, tuple) else found).sum().backward()
