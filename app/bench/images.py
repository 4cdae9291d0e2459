"""The lottery paper's networks on images: iterations per second in both layouts, and peak memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch

from app.bench.figures import Goal
from app.bench.image_training import RECIPES, PeakMemory, peak_memory, training_step
from app.bench.rows import BenchRow, Comparison
from app.bench.tasks import BenchSection, Setting, Task
from app.bench.timing import take_turns, timed

GOAL = Goal(1.15, at_least=True)
WITH_GOAL = ("Conv-2", "Conv-4", "ResNet-20")
MEGABYTE = 2**20
MEMORY_SECONDS = 8.0  # of a process that imports torch and trains for some steps


@dataclass(frozen=True)
class MemoryRow:
    """The peak memory of a process that trains a network.

    Args:
        what: the network.
        memory: in bytes.
    """

    headings: ClassVar[tuple[str, ...]] = ("", "peak memory", "of it for training")

    what: str
    memory: PeakMemory

    def cells(self) -> tuple[str, ...]:
        """Megabytes."""
        return self.what, *(f"{size / MEGABYTE:,.0f} MB" for size in (self.memory.process, self.memory.training))

    def plain(self) -> dict[str, Any]:
        """Bytes."""
        return {"what": self.what, "process_bytes": self.memory.process, "training_bytes": self.memory.training}


def tasks(setting: Setting) -> list[Task]:
    """Speed, then memory, of every network."""
    sizes = setting.sizes
    speeds = [
        Task(f"training step, {name}", sizes.image_seconds, partial(_speed, setting, name)) for name in sizes.nets
    ]
    memories = [Task(f"memory, {name}", MEMORY_SECONDS, partial(_memory, name)) for name in sizes.nets]
    return [*speeds, *memories]


SECTION = BenchSection("images", "Training step on images: channels last, against the plain layout", tasks)


def _speed(setting: Setting, name: str) -> Sequence[BenchRow]:
    recipe = RECIPES[name]
    layouts = {"reference": False} if name == "LeNet" else {"ours": True, "reference": False}
    steps = {
        which: timed(training_step(recipe, channels_last=layout, seed=setting.seed))
        for which, layout in layouts.items()
    }
    times = take_turns(steps, seconds=setting.sizes.image_seconds, tick=setting.tick)
    return [
        Comparison(
            what=f"{name}, batches of {recipe.batch}",
            ours=times.get("ours", times["reference"]),
            reference=times["reference"] if "ours" in times else (),
            goal=GOAL if name in WITH_GOAL else None,
            count=1,
            unit="it/s",
        )
    ]


def _memory(name: str) -> Sequence[BenchRow]:
    return [MemoryRow(name, peak_memory(name, torch.get_num_threads()))]
