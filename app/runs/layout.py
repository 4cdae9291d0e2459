"""The paths of a run directory, and the identities of the trained networks in it.

runs/EXPERIMENT/                                 a lottery: a tree of trained networks
  config.yaml  schema.json  checksums.json  results.csv  report/  wandb/
  stack.ckpt                                     networks that are trained at once, while they are
  jobs/                                          of a scheduler, which --pruning.launch has submitted
  replicate_R/
    initial.safetensors  rewind.safetensors  rewind.ckpt  MOMENT.ckpt  checksums.json
    round_00/                                    dense
    METHOD/round_NN/                             tickets
    METHOD/round_NN/CONTROL_K/                   controls of a ticket

runs/EXPERIMENT/seed_S/                          one network, trained by `fit`
  config.yaml  schema.json  checksums.json

The directory of either kind of network holds
  metrics.csv  report.json  last.ckpt  previous.ckpt  best.ckpt
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

SEED = re.compile(r"seed_(\d+)")  # directory of one seed, below that of the experiment
LOCK = ".lock"
REPLICATE = re.compile(r"replicate_\d+")  # directory of one replicate of a lottery
DENSE = "dense"
TRANSFERRED = "transferred_from_"  # what the name of a method begins with whose tickets another lottery has found
RANDOM_TICKET = "random_ticket"  # the control of both masks and weights of tickets
_NETWORK = re.compile(
    r"replicate_(?P<replicate>\d+)/"
    r"(?:round_00|(?P<method>[^/]+)/round_(?P<round>\d+)(?:/(?P<control>[^/]+)_(?P<branch>\d+))?)"
)


@dataclass(frozen=True, slots=True)
class NetworkKey:
    """The identity of one network of a lottery: one row of results.csv, one directory.

    Args:
        replicate: number of the sample of initialisation, split and data order, from 0.
        method: name of the method that made the network.
        round: the number of prunings that its density corresponds to; 0 only for the dense network.
        branch: number of the network among the K that a control trains for one ticket, from 0; 0 for all others.
        of: name of the method whose ticket this network is a control of; empty for all others. It determines the
            directory and is not part of the identity.
    """

    replicate: int
    method: str
    round: int
    branch: int = 0
    of: str = field(default="", compare=False)

    def __str__(self) -> str:
        branch = f" {self.branch}" if self.of else ""
        return f"replicate {self.replicate}, {self.method}{branch}, round {self.round}"

    @property
    def path(self) -> str:
        """The network's directory, relative to the run directory."""
        base, round_dir = f"replicate_{self.replicate}", f"round_{self.round:02d}"
        if self.round == 0:
            return f"{base}/{round_dir}"
        if self.of:
            return f"{base}/{self.of}/{round_dir}/{self.method}_{self.branch}"
        return f"{base}/{self.method}/{round_dir}"

    @classmethod
    def of_path(cls, path: str) -> "NetworkKey | None":
        """The key of a network's directory, relative to the run directory; None for any other directory."""
        match = _NETWORK.fullmatch(path)
        if match is None:
            return None
        replicate = int(match["replicate"])
        if match["method"] is None:
            return cls(replicate, DENSE, 0)
        if match["control"] is not None:
            return cls(replicate, match["control"], int(match["round"]), int(match["branch"]), of=match["method"])
        return cls(replicate, match["method"], int(match["round"]))


@dataclass(frozen=True)
class TrainingLayout:
    """The files of one network, trained by `fit` or in a lottery."""

    root: Path

    @property
    def metrics(self) -> Path:
        """One row per validation."""
        return self.root / "metrics.csv"

    @property
    def report(self) -> Path:
        """Counts, checksums, seeds and versions."""
        return self.root / "report.json"

    @property
    def last(self) -> Path:
        """The checkpoint from which a training resumes; a lottery deletes it when the network is finished."""
        return self.root / "last.ckpt"

    @property
    def previous(self) -> Path:
        """The checkpoint before `last`, while the training is in progress: used if `last` is damaged."""
        return self.root / "previous.ckpt"

    @property
    def best(self) -> Path:
        """The checkpoint of the best validation so far; in a lottery only if the settings keep it."""
        return self.root / "best.ckpt"

    @property
    def mask(self) -> Path:
        """The masks, bool; only in a lottery."""
        return self.root / "mask.safetensors"

    @property
    def start(self) -> Path:
        """The masked weights before training; only if a lottery keeps them for each network."""
        return self.root / "start.safetensors"

    @property
    def final(self) -> Path:
        """The trained weights of a network of a lottery."""
        return self.root / "final.safetensors"

    @property
    def done(self) -> Path:
        """An empty file that marks a finished network of a lottery."""
        return self.root / "DONE"

    @property
    def lock(self) -> Path:
        """The lock of the process that trains the network."""
        return self.root / LOCK


@dataclass(frozen=True)
class RunDirectory:
    """The files that every run directory has."""

    root: Path

    @property
    def config(self) -> Path:
        """The configuration that the run was made with."""
        return self.root / "config.yaml"

    @property
    def schema(self) -> Path:
        """The metrics of its networks and the methods that made them."""
        return self.root / "schema.json"

    @property
    def lock(self) -> Path:
        """The lock of the process that trains in it; in a lottery of a process that writes files of all networks."""
        return self.root / LOCK


@dataclass(frozen=True)
class FitLayout(RunDirectory, TrainingLayout):
    """The files of one training by `fit`."""

    @property
    def name(self) -> str:
        """The name of the experiment and the directory of the seed."""
        root = self.root.resolve()
        return f"{root.parent.name}/{root.name}"


@dataclass(frozen=True)
class RunLayout(RunDirectory):
    """The files of one lottery."""

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

    @property
    def stack(self) -> Path:
        """The networks that are being trained at once; deleted when they are finished."""
        return self.root / "stack.ckpt"

    @property
    def stack_lock(self) -> Path:
        """The lock of the process that trains networks at once."""
        return self.root / ".stack.lock"

    @property
    def processes(self) -> Path:
        """Directory of the locks of the processes that are at work here, one each."""
        return self.root / ".processes"

    @property
    def jobs(self) -> Path:
        """Directory of the jobs that `--pruning.launch` has submitted: scripts, output, and jobs.json."""
        return self.root / "jobs"

    def replicate(self, replicate: int) -> Path:
        """Directory of one replicate."""
        return self.root / f"replicate_{replicate}"

    def initial(self, replicate: int) -> Path:
        """The weights at iteration 0, before any training."""
        return self.replicate(replicate) / "initial.safetensors"

    def rewind_weights(self, replicate: int) -> Path:
        """The weights that tickets are rewound to, unless these are the initial ones."""
        return self.replicate(replicate) / "rewind.safetensors"

    def rewind_checkpoint(self, replicate: int) -> Path:
        """The state of the dense training at the rewind point, if tickets resume its schedule."""
        return self.replicate(replicate) / "rewind.ckpt"

    def moment(self, replicate: int, moment: str) -> Path:
        """The state of the dense training at another moment that networks train on from, such as "400it_before_end"."""
        return self.replicate(replicate) / f"{moment}.ckpt"

    def network(self, key: NetworkKey) -> TrainingLayout:
        """The files of one network."""
        return TrainingLayout(self.root / key.path)

    def networks(self) -> dict[NetworkKey, TrainingLayout]:
        """All networks that have a directory with rows of metrics, in no particular order."""
        found = {}
        for path in self.root.glob("replicate_*/**/metrics.csv"):
            if (key := NetworkKey.of_path(path.parent.relative_to(self.root).as_posix())) is not None:
                found[key] = TrainingLayout(path.parent)
        return found


def seed_directories(root: Path) -> list[Path]:
    """The directories of an experiment's trainings by `fit`, in the order of seeds; empty if there are none."""
    found = [(int(match[1]), path) for path in root.glob("seed_*") if (match := SEED.fullmatch(path.name))]
    return [path for _, path in sorted(found) if path.is_dir()]


def run_of(network: Path) -> RunLayout | None:
    """The lottery that a network's directory belongs to; None if it belongs to none."""
    network = network.resolve()
    for parent in network.parents:
        if REPLICATE.fullmatch(parent.name):
            run = RunLayout(parent.parent)
            return run if NetworkKey.of_path(network.relative_to(run.root).as_posix()) is not None else None
    return None
