"""What a report of trainings is drawn from: their rows and where these came from, checked and grouped."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from app.common.errors import UserError
from app.common.metrics import Metric, Schema, described
from app.report.metrics import main_metric
from app.report.provenance import Provenance, read_provenance
from app.report.wording import impossible
from app.runs.best_validation import BestValidation, configured_best
from app.runs.checksums import check_file
from app.runs.config import read_config
from app.runs.layout import SEED, FitLayout, NetworkKey, RunDirectory, TrainingLayout, run_of, seed_directories
from app.runs.schema import read_schema
from app.runs.table import ITERATION, MetricsRow, read_metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedNetwork:
    """One training: by `fit`, or one network of a lottery.

    Args:
        layout: where it is.
        provenance: what it came from.
        config: its configuration.
        rows: one per validation, at least one.
        schema: what is declared of metrics.
        infinite: metrics that were infinite at some validations, where their rows have nan.
    """

    layout: TrainingLayout
    provenance: Provenance
    config: dict[str, Any]
    rows: list[MetricsRow]
    schema: Schema = field(default_factory=Schema)
    infinite: frozenset[str] = frozenset()

    @property
    def seed(self) -> int:
        """The seed of all its random draws; 0 for a network of a lottery, which has one for each purpose."""
        return self.provenance.seeds.get("seed", 0)

    @property
    def best(self) -> MetricsRow:
        """The row of the best validation: what best.ckpt holds."""
        return self.best_by.of(self.rows)

    @property
    def best_by(self) -> BestValidation:
        """How validations were compared."""
        return configured_best(self.config)

    @property
    def first(self) -> int:
        """The number of the first validation: 0 where it came before any training."""
        return min(1, int(self.rows[0][ITERATION]))


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRun:
    """Trainings that differ in their seeds, by seed; or one network of a lottery.

    Args:
        name: of the experiment.
        trainings: at least one.
        noun: what tells them apart: "seed", or "network" for a network of a lottery.
        left_out: directories of trainings that are left out, because no validation has a value of what decides.
    """

    name: str
    trainings: list[TrainedNetwork]
    noun: str = "seed"
    left_out: tuple[str, ...] = ()

    @property
    def best_by(self) -> BestValidation:
        """How validations were compared, in all of them."""
        return self.trainings[0].best_by

    @property
    def metrics(self) -> Schema:
        """What any of them has measured."""
        rows = [row for training in self.trainings for row in training.rows]
        names = [name for name in dict.fromkeys(name for row in rows for name in row) if _measured(rows, name)]
        return described(self.trainings[0].schema, [name for name in names if name != ITERATION])

    @property
    def main(self) -> Metric:
        """What the trainings lower."""
        return main_metric(self.metrics, self.best_by)

    @property
    def monitor(self) -> Metric:
        """The metric that decides which validation is the best."""
        return self.metrics[self.best_by.monitor]

    def which(self, training: TrainedNetwork) -> str:
        """What follows the experiment's name to tell one of its trainings: ", seed 4"; nothing for a network."""
        return f", {self.noun} {training.seed}" if self.noun == "seed" else ""


class _NoValueError(UserError):
    """A training without a finite value of the metric that decides."""


def read_fits(run_dirs: Sequence[Path]) -> list[FitRun]:
    """Read the trainings of some directories, and group them by experiment.

    Directories of one experiment's name are pooled, wherever they lie; each seed may then come from one only. A
    training that has diverged from the start, so that no validation has a value of what decides, is left out; the
    first experiment names it.

    Args:
        run_dirs: directories of single trainings, such as runs/x/seed_0, of experiments, which hold such, or of single
            networks of a lottery, such as runs/x/replicate_0/round_00; the experiments keep the order in which these
            first name them.

    Raises:
        UserError: no row yet, a file that is missing or broken, a seed that comes twice, seeds whose validations do
            not belong together, or nothing but trainings that have diverged.
    """
    experiments: dict[str, dict[int, TrainedNetwork]] = {}
    nouns: dict[str, str] = {}
    left_out: dict[str, _NoValueError] = {}
    for root in (each for given in run_dirs for each in seed_directories(given) or [given]):
        name = _name(root)
        try:
            training = _read(root)
        except _NoValueError as error:
            left_out[str(root)] = error
            continue
        nouns[name] = "network" if run_of(root) else "seed"
        trainings = experiments.setdefault(name, {})
        if training.seed in trainings:
            raise UserError(
                f"{root}: seed {training.seed} of experiment {name!r} stands in "
                f"{trainings[training.seed].layout.root} already; give each training once"
            )
        trainings[training.seed] = training
    made = [
        FitRun(name=name, trainings=[trainings[seed] for seed in sorted(trainings)], noun=nouns[name])
        for name, trainings in experiments.items()
    ]
    if not made:
        raise next(iter(left_out.values()))
    for experiment in made:
        _check_together(experiment)
    return [replace(made[0], left_out=tuple(left_out)), *made[1:]]


def _name(root: Path) -> str:
    """The experiment's name, and that of the network in a lottery."""
    root = root.resolve()
    if (run := run_of(root)) is not None:
        key = NetworkKey.of_path(root.relative_to(run.root).as_posix())
        return f"{run.name}, {key}"
    return root.parent.name if SEED.fullmatch(root.name) else root.name


def _read(root: Path) -> TrainedNetwork:
    run: RunDirectory = run_of(root) or FitLayout(root)
    layout = TrainingLayout(root)
    for path in (layout.metrics, layout.report):
        if not path.exists():
            hint = "report on a network when it is finished" if run_of(root) else "has anything been trained there yet?"
            raise UserError(f"{path}: no such file; {hint}")
    check_file(layout.metrics)
    rows = read_metrics(layout.metrics)
    if not rows:
        raise UserError(f"{layout.metrics}: no validation in it yet; train further, then report")
    config, schema = read_config(run), read_schema(run).metrics
    best = configured_best(config)
    if best.monitor not in rows[0]:
        raise UserError(f"{layout.metrics}: no column {best.monitor}; was it edited by hand?")
    if not _measured(rows, best.monitor):
        reason = f"no validation has a value of {best.monitor}, by which the best is chosen"
        raise _NoValueError(f"{layout.metrics}: {reason}; has the training diverged?")
    metrics = described(schema, [name for name in rows[0] if name != ITERATION])
    for row in rows:
        _check(row, metrics, schema, layout.metrics)
    for before, after in pairwise(row[ITERATION] for row in rows):
        if after < before:
            raise UserError(f"{layout.metrics}: iteration {after:g} after {before:g}; was it edited by hand?")
    provenance = read_provenance(layout.report)
    infinite = frozenset(name for row in rows for name, value in row.items() if math.isinf(value))
    rows = [{name: math.nan if math.isinf(value) else value for name, value in row.items()} for row in rows]
    return TrainedNetwork(
        layout=layout, provenance=provenance, config=config, rows=rows, schema=schema, infinite=infinite
    )


def _measured(rows: Sequence[MetricsRow], name: str) -> bool:
    return any(math.isfinite(row.get(name, math.nan)) for row in rows)


def _check(row: MetricsRow, metrics: Schema, declared: Schema, path: Path) -> None:
    """A value is possible for its metric; one that is not finite, as where a training diverges, is passed over."""
    for metric in metrics.values():
        value = row[metric.name]
        if math.isfinite(value) and not metric.holds(value):
            where = f" at iteration {row[ITERATION]:,}"
            raise UserError(f"{path}: {impossible(metric, value, declared, where)}")
    if row[ITERATION] < 0:
        raise UserError(f"{path}: iteration {row[ITERATION]}; was it edited by hand?")


def _check_together(experiment: FitRun) -> None:
    """Validations are compared by their number: epochs of windows of random length differ in their iterations.

    They belong together while the difference is less than half a distance between validations.
    """
    trainings = experiment.trainings
    if len({training.best_by for training in trainings}) > 1:
        raise UserError(f"{experiment.name}: its seeds differ in best.monitor or best.mode; report them apart")
    main = experiment.main.name
    if not all(_measured(training.rows, main) for training in trainings):
        raise UserError(f"{experiment.name}: only some of its seeds have {main}; report them apart")
    for number in range(max(len(training.rows) for training in trainings)):
        there = [training for training in trainings if number < len(training.rows)]
        least, most = (choose(there, key=lambda training: training.rows[number][ITERATION]) for choose in (min, max))
        low, high = (int(training.rows[number][ITERATION]) for training in (least, most))
        if 2 * (high - low) * (number + 1) > high:
            raise UserError(
                f"{experiment.name}: seeds {least.seed} and {most.seed} were validated at other "
                f"iterations ({low:,} and {high:,}, row {number + 1}); report them apart"
            )
