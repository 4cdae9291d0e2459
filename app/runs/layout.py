"""Every path and file name of a run directory, and the identity of a trained network in it.

runs/EXPERIMENT/
  config.yaml  results.csv  report/  wandb/
  replicate_R/
    initial.safetensors  rewind.safetensors
    round_00/                                    dense
    iterative/round_NN/   one_shot/round_NN/     tickets
    iterative/round_NN/random_reinit_K/          controls
    iterative/round_NN/random_mask_K/

runs/EXPERIMENT/seed_S/                          one network, trained by `fit`
  config.yaml  metrics.csv  report.json  last.ckpt  best.ckpt  parse/  syntax/  wandb/
"""

import re
from dataclasses import dataclass
from pathlib import Path

SEED = re.compile(r"seed_(\d+)")  # directory of one seed of an experiment, below the experiment's
METHODS = ("dense", "iterative", "one_shot", "random_reinit", "random_mask")
CONTROLS = ("random_reinit", "random_mask")


@dataclass(frozen=True, slots=True)
class NetworkKey:
    """Which trained network: one row of results.csv, one directory.

    Args:
        replicate: which draw of initialisation, split and data order, from 0.
        method: one of `METHODS`.
        round: how many prunings its density corresponds to; 0 only for `dense`.
        branch: which of the K control networks of a ticket, from 0; 0 for all others.
    """

    replicate: int
    method: str
    round: int
    branch: int = 0

    @property
    def order(self) -> tuple[int, int, int, int]:
        """Sort key: by replicate, then method in the order of `METHODS`, then round, then branch."""
        return self.replicate, METHODS.index(self.method), self.round, self.branch

    def __str__(self) -> str:
        branch = f" {self.branch}" if self.method in CONTROLS else ""
        return f"replicate {self.replicate}, {self.method}{branch}, round {self.round}"


@dataclass(frozen=True, slots=True)
class NetworkLayout:
    """The files of one trained network."""

    root: Path

    @property
    def metrics(self) -> Path:
        """One row per validation."""
        return self.root / "metrics.csv"

    @property
    def mask(self) -> Path:
        """Which weights are left, bool."""
        return self.root / "mask.safetensors"

    @property
    def start(self) -> Path:
        """The weights before training, where they are kept for each network."""
        return self.root / "start.safetensors"

    @property
    def final(self) -> Path:
        """The trained weights."""
        return self.root / "final.safetensors"

    @property
    def report(self) -> Path:
        """Counts, checksums, seeds and versions."""
        return self.root / "report.json"

    @property
    def checkpoint(self) -> Path:
        """Where a training in progress stands; gone once the network is done."""
        return self.root / "last.ckpt"

    @property
    def done(self) -> Path:
        """There once everything else is."""
        return self.root / "DONE"


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """What every run directory has."""

    root: Path

    @property
    def config(self) -> Path:
        """What was asked for."""
        return self.root / "config.yaml"

    @property
    def lock(self) -> Path:
        """Held by the process that works here; released by the system when that process ends, however it ends."""
        return self.root / ".lock"


@dataclass(frozen=True, slots=True)
class FitLayout(RunDirectory):
    """The files of one training by `fit`."""

    @property
    def name(self) -> str:
        """The experiment's name and the seed's."""
        root = self.root.resolve()
        return f"{root.parent.name}/{root.name}"

    @property
    def metrics(self) -> Path:
        """One row per validation."""
        return self.root / "metrics.csv"

    @property
    def report(self) -> Path:
        """Checksums, seed and versions."""
        return self.root / "report.json"

    @property
    def last(self) -> Path:
        """Where the training stands."""
        return self.root / "last.ckpt"

    @property
    def best(self) -> Path:
        """Where the validation loss was least so far."""
        return self.root / "best.ckpt"


@dataclass(frozen=True, slots=True)
class RunLayout(RunDirectory):
    """The files of one experiment."""

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.root.resolve().name

    @property
    def results(self) -> Path:
        """One row per trained network."""
        return self.root / "results.csv"

    @property
    def report(self) -> Path:
        """Directory of figures, tables and the page."""
        return self.root / "report"

    def replicate(self, replicate: int) -> Path:
        """Directory of one replicate."""
        return self.root / f"replicate_{replicate}"

    def initial(self, replicate: int) -> Path:
        """The weights at iteration 0, before any training."""
        return self.replicate(replicate) / "initial.safetensors"

    def rewind_point(self, replicate: int) -> Path:
        """The weights that tickets are rewound to, where that is not iteration 0."""
        return self.replicate(replicate) / "rewind.safetensors"

    def start_point(self, replicate: int) -> Path:
        """The weights that tickets start from: the rewind point, or the initial weights where that is iteration 0."""
        later = self.rewind_point(replicate)
        return later if later.exists() else self.initial(replicate)

    def network(self, key: NetworkKey) -> NetworkLayout:
        """The files of one trained network."""
        base, round_dir = self.replicate(key.replicate), f"round_{key.round:02d}"
        if key.method == "dense":
            return NetworkLayout(base / round_dir)
        if key.method in CONTROLS:
            return NetworkLayout(base / "iterative" / round_dir / f"{key.method}_{key.branch}")
        return NetworkLayout(base / key.method / round_dir)


def seed_directories(root: Path) -> list[Path]:
    """The directories of an experiment's trainings by `fit`, by seed; none in any other directory."""
    found = [(int(match[1]), path) for path in root.glob("seed_*") if (match := SEED.fullmatch(path.name))]
    return [path for _, path in sorted(found) if path.is_dir()]
