"""What the report is drawn from: the finished networks of one or more run directories, checked and pooled."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from app.common.errors import UserError
from app.runs.layout import NetworkKey, RunLayout
from app.runs.results import Metrics, Result, read_metrics, read_results

T = TypeVar("T")

FRACTIONS = ("density", "early_stop_test_accuracy", "final_test_accuracy", "final_train_accuracy")


@dataclass(slots=True)
class Experiment:
    """One name in the `experiment` column: its rows, and the run directory that each of them came from."""

    name: str
    runs: dict[NetworkKey, RunLayout] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)

    @property
    def replicates(self) -> int:
        """How many replicates have a finished network."""
        return len({row.replicate for row in self.results})

    def metrics(self, key: NetworkKey) -> list[Metrics]:
        """The learning curve of one network.

        Raises:
            UserError: its metrics.csv is missing, broken or without a row.
        """
        path = self.runs[key].network(key).metrics
        rows = read_metrics(path)
        if not rows:
            raise UserError(f"{path}: no row, though results.csv has this network; remove its directory and run again")
        for row in rows:
            if not 0 <= row.test_accuracy <= 1:
                raise UserError(
                    f"{path}: test_accuracy is {row.test_accuracy} at iteration {row.iteration}, "
                    "expected a fraction of 1; was it edited by hand?"
                )
        return rows


def read_experiments(run_dirs: Sequence[Path]) -> list[Experiment]:
    """Read the results.csv of every run directory and group the rows by experiment.

    Directories that name the same experiment are pooled, as parts of one: replicates trained on two machines become
    one curve. Each network may then come from one of them only. Different experiments stay apart.

    Args:
        run_dirs: run directories; the experiments keep the order in which these first name them.

    Raises:
        UserError: no directory given, one without results, a row out of range, or a network that comes twice.
    """
    if not run_dirs:
        raise UserError("report: no run directory given; name at least one, such as runs/quickstart")
    experiments: dict[str, Experiment] = {}
    for run in map(RunLayout, run_dirs):
        for row in _read_run(run):
            experiment = experiments.setdefault(row.experiment, Experiment(row.experiment))
            if row.key in experiment.runs:
                other = experiment.runs[row.key].results
                raise UserError(
                    f"{run.results}: {row.key} of experiment {row.experiment!r} stands in {other} already; "
                    "give each network once"
                )
            experiment.runs[row.key] = run
            experiment.results.append(row)
    return list(experiments.values())


def _read_run(run: RunLayout) -> list[Result]:
    if not run.root.is_dir():
        raise UserError(f"{run.root}: no such run directory; name one that a run has written, such as runs/quickstart")
    rows = read_results(run.results)
    if not rows:
        raise UserError(f"{run.results}: no finished network in it yet; run the experiment further, then report")
    for row in rows:
        _check(row, run.results)
    return rows


def _check(row: Result, path: Path) -> None:
    for name in FRACTIONS:
        value = getattr(row, name)
        if not 0 <= value <= 1 or (name == "density" and value == 0):
            raise UserError(f"{path}: {row.key}: {name} is {value}, expected a fraction of 1; was it edited by hand?")
    if row.early_stop_iteration < 0 or not math.isfinite(row.seconds):
        raise UserError(f"{path}: {row.key}: its early stop or its seconds make no sense; was it edited by hand?")
    if (row.method == "dense") != (row.round == 0):
        raise UserError(f"{path}: {row.key}: round 0 is the dense network and no other; was it edited by hand?")
