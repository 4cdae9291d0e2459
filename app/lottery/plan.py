"""What a lottery would train, how long it would take and how much disk, before it begins."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Group
from rich.table import Table

from app.lottery.prerequisites import trainings_in_a_row
from app.lottery.settings import Pruning
from app.lottery.stacks.waves import waves
from app.pruning import When
from app.pruning.mask_coding import least_bits
from app.runs.layout import NetworkKey

BYTES_PER_CELL = 19  # of metrics.csv
BYTES_OF_TEXT = 6_000  # report.json, DONE, the row of results.csv, the headers of masks and weights
BYTES_PER_WEIGHT = 4
CODE = 1.03  # the length of a mask's code, relative to the least


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The size of an experiment.

    Args:
        settings: which networks.
        sizes: of all weight tensors, of prunable ones by part.
        kinds: layer kinds of the prunable parts.
        state_bytes: one copy of the weights.
        metrics: how many are measured at each validation.
        iterations: length of the dense training.
        rows: validations in it.
        seconds: measured or guessed length of it.
        finished: networks that are done already.
        begins: the iterations that trainings begin at, by method; 0 where it is left out.
        at_once: seconds of a training by the number of networks that are trained at once, of one and of the most;
            empty where there is one at a time.
    """

    settings: Pruning
    sizes: Mapping[str, int]
    kinds: Mapping[str, str]
    state_bytes: int
    metrics: int
    iterations: int
    rows: int
    seconds: float
    finished: frozenset[NetworkKey]
    begins: Mapping[str, int] = field(default_factory=dict)
    at_once: Mapping[int, float] = field(default_factory=dict)

    def densities(self) -> list[float]:
        """Share of weights remaining after each round; exact for every scope."""
        table = self.settings.pool_schedule(self.sizes, self.kinds, self.settings.rounds)
        everything, pruned = sum(self.sizes.values()), sum(self.sizes[name] for name in self.kinds)
        return [(everything - pruned + sum(counts.values())) / everything for counts in table]

    def groups(self) -> list[int]:
        """How many networks are trained at once, group after group."""
        missing = [key for key in self.settings.selected() if key not in self.finished]
        return [len(group) for group in waves(self.settings, missing, self.settings.stack)]

    def disk_bytes(self) -> int:
        """What the finished experiment takes, W&B's files and the report aside."""
        prunable = sum(self.sizes[name] for name in self.kinds)
        table = self.settings.pool_schedule(self.sizes, self.kinds, self.settings.rounds)
        left = [sum(counts.values()) for counts in table]
        masks = [CODE * least_bits(prunable, count) / 8 for count in left]
        weights = [self.state_bytes - BYTES_PER_WEIGHT * (prunable - count) for count in left]
        copies = self.settings.replicates * (2 if When.parse(self.settings.rewind_to).count else 1)
        total = float(copies * self.state_bytes)
        for key in self.settings.selected():
            total += masks[key.round] + self.rows * (1 + self.metrics) * BYTES_PER_CELL + BYTES_OF_TEXT
            total += sum(
                self.state_bytes if kept == "best" else weights[key.round] + masks[key.round]
                for kept in self.settings.keep
            )
        return round(total)

    def render(self) -> Group:
        """The plan as a table and two lines, or three where there are workers."""
        keys = list(self.settings.selected())
        missing = [key for key in keys if key not in self.finished]
        total, left = Counter(key.method for key in keys), Counter(key.method for key in missing)
        table = Table(title="what would be trained", title_justify="left")
        for column in ("method", "networks", "finished", "iterations to go", "time to go"):
            table.add_column(column, justify="left" if column == "method" else "right")
        for method in [*filter(total.__getitem__, self.settings.method_names), "all"]:
            n, m = (len(keys), len(missing)) if method == "all" else (total[method], left[method])
            iterations = sum(self.length(key) for key in missing if method in (key.method, "all"))
            cells = f"{n:,}", f"{n - m:,}", f"{iterations:,}", clock(iterations / self.iterations * self.seconds)
            table.add_row(method, *cells, style="bold" if method == "all" else None)
        rates = self.settings.rates_for(self.kinds)
        pruned = ", ".join(f"{kind} {rates[kind]:g}" for kind in sorted(set(self.kinds.values())))
        remaining = ", ".join(f"{share:.2%}" for share in self.densities())
        lines = [
            f"pruned per round, by layer kind: {pruned}",
            f"weights remaining by round: {remaining}",
            f"disk: {self.disk_bytes() / 1e6:,.1f} MB in all",
        ]
        if (workers := self.settings.workers) > 1:
            seconds = trainings_in_a_row(self.settings, missing, workers, self._share) * self.seconds
            lines.append(f"time to go with {workers} workers: {clock(seconds)}")
        if self.at_once:
            sizes = self.groups()
            time = clock(sum(map(self._seconds_at_once, sizes)))
            lines.append(f"time to go with up to {self.settings.stack} at once, in {len(sizes)} groups: {time}")
        return Group(table, *lines)

    def length(self, key: NetworkKey) -> int:
        """Iterations that a network is trained for."""
        return self.iterations - self.begins.get(key.method, 0)

    def _share(self, key: NetworkKey) -> float:
        return self.length(key) / self.iterations

    def _seconds_at_once(self, networks: int) -> float:
        """Of a group; what lies between the measured sizes is taken for a line."""
        (few, least), (many, most) = min(self.at_once.items()), max(self.at_once.items())
        return least + (most - least) * (networks - few) / max(1, many - few)


def clock(seconds: float) -> str:
    """Seconds as people read them: 1:02:03 or 2:03."""
    hours, rest = divmod(math.ceil(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
