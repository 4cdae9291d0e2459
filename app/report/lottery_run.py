"""What a lottery's report is drawn from: the finished networks of its run directories, checked and pooled."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.common.errors import UserError
from app.common.metrics import SUPERMASK, Metric, Schema, described, headline_metrics
from app.report.metrics import lottery_columns, result_metrics
from app.report.provenance import Provenance, read_provenance
from app.report.wording import impossible
from app.runs.best_validation import BestValidation, configured_best
from app.runs.checksums import check_file
from app.runs.config import read_config
from app.runs.layout import DENSE, NetworkKey, RunLayout, TrainingLayout
from app.runs.schema import RunSchema, read_schema
from app.runs.table import EARLY_STOP, FINAL, MetricsRow, Result, read_metrics, read_results


@dataclass(slots=True, kw_only=True)
class LotteryRun:
    """One name in the `experiment` column, from one run directory or several.

    Args:
        name: of the experiment.
        schema: what is declared of metrics and methods.
        best: how validations were compared.
        results: the rows.
        sources: by network, the results.csv that its row came from.
        places: by network, its directory.
        controls: by the name of a control, the method whose tickets it is a control of, as the paths tell it.
        running: the directories of networks that have been measured, and are not finished.
    """

    name: str
    schema: RunSchema = field(default_factory=RunSchema)
    best: BestValidation = field(default_factory=BestValidation)
    results: list[Result] = field(default_factory=list)
    sources: dict[NetworkKey, Path] = field(default_factory=dict)
    places: dict[NetworkKey, TrainingLayout] = field(default_factory=dict)
    controls: dict[str, str] = field(default_factory=dict)
    running: dict[NetworkKey, TrainingLayout] = field(default_factory=dict)

    @property
    def replicates(self) -> int:
        """How many replicates have a finished network."""
        return len({row.replicate for row in self.results})

    @property
    def methods(self) -> list[str]:
        """Names of the methods that have rows, as they come."""
        return list(dict.fromkeys(row.method for row in self.results))

    @property
    def metrics(self) -> Schema:
        """What its networks have measured at early stop and at the end."""
        return described(self.schema.metrics, result_metrics(column for row in self.results for column in row.values))

    @property
    def headline(self) -> list[Metric]:
        """The metrics that stand for a network."""
        return [
            metric
            for metric in headline_metrics(self.metrics.values())
            if all(self.measured(f"{prefix}{metric.name}") for prefix in (EARLY_STOP, FINAL))
        ]

    def measured(self, column: str) -> bool:
        """Whether any network has a number there: a metric may be undefined for all, or not be finite."""
        return any(math.isfinite(row.value(column)) for row in self.results)

    @property
    def columns(self) -> list[Metric]:
        """The columns of results.csv that are shown."""
        names = dict.fromkeys(name for row in self.results for name in row.values if name.startswith(SUPERMASK))
        supermask = described(self.schema.metrics, filter(self.measured, names))
        return [*lottery_columns(self.headline), *supermask.values()]

    @property
    def left_out(self) -> list[Metric]:
        """The columns of which some networks have no number, or none that is finite."""
        return [each for each in self.columns if not all(math.isfinite(row.value(each.name)) for row in self.results)]

    @property
    def monitor(self) -> Metric:
        """The metric that decides which validation is the best."""
        return described(self.schema.metrics, [self.best.monitor])[self.best.monitor]

    def curve_rows(self, key: NetworkKey, metric: Metric) -> list[MetricsRow]:
        """The learning curve of one network; empty if no validation has a finite value of the metric.

        Args:
            key: which network.
            metric: that is to be drawn.

        Raises:
            UserError: its metrics.csv is missing or broken.
        """
        running = self.running.get(key)
        path = (running or self.places[key]).metrics
        if running is None:
            check_file(path)
        rows = read_metrics(path)
        if not rows and running is None:
            raise UserError(f"{path}: no row, though results.csv has this network; remove its directory and run again")
        values = {row["iteration"]: row.get(metric.name, math.nan) for row in rows}
        for iteration, value in values.items():
            if not metric.holds(value) and math.isfinite(value):
                where = f" at iteration {iteration:,}"
                raise UserError(f"{path}: {impossible(metric, value, self.schema.metrics, where)}")
        return rows if any(map(math.isfinite, values.values())) else []

    def provenance(self) -> list[tuple[str, Provenance]]:
        """What its networks came from, each with its replicate; those without a report.json are passed over.

        Raises:
            UserError: a report.json that is broken.
        """
        reports = [(key, place.report) for key, place in self.places.items()]
        return [(f"replicate {key.replicate}", read_provenance(path)) for key, path in reports if path.exists()]


def read_lotteries(run_dirs: Sequence[Path]) -> list[LotteryRun]:
    """Read the results.csv of every run directory and group the rows by experiment.

    Directories that name the same experiment are pooled, as parts of one: replicates trained on two machines become
    one curve. Each network may then come from one of them only. Different experiments stay apart.

    Args:
        run_dirs: run directories; the experiments keep the order in which these first name them.

    Raises:
        UserError: one without results, a row out of range, a network that comes twice, or parts that do not belong
            together.
    """
    lotteries: dict[str, LotteryRun] = {}
    for run in map(RunLayout, run_dirs):
        rows, schema, best = _read_rows(run), read_schema(run), _best(run)
        places = run.networks()
        controls = {key.method: key.of for key in places if key.of}
        for row in rows:
            lottery = lotteries.setdefault(row.experiment, LotteryRun(name=row.experiment, schema=schema, best=best))
            # A network without a metrics.csv has the directory that its key tells, for the error message that names it.
            of = schema.method(row.method).of or controls.get(row.method, "")
            _add(lottery, row, run.results, places.get(row.key) or run.network(replace(row.key, of=of)))
            if lottery.best != best:
                raise UserError(f"{run.root}: differs from others of {lottery.name!r} in best; report them apart")
            lottery.controls = controls | lottery.controls
        _add_running(lotteries, run, rows, places)
    for lottery in lotteries.values():
        columns = lottery.columns
        for row in lottery.results:
            _check(row, lottery.sources[row.key], columns, lottery.schema.metrics)
    return list(lotteries.values())


def _add(lottery: LotteryRun, row: Result, source: Path, place: TrainingLayout) -> None:
    """Add one row of a results.csv to its experiment."""
    if row.key in lottery.sources:
        raise UserError(
            f"{source}: {row.key} of experiment {row.experiment!r} stands in {lottery.sources[row.key]} already; "
            "give each network once"
        )
    lottery.sources[row.key] = source
    lottery.places[row.key] = place
    lottery.results.append(row)


def _add_running(
    lotteries: dict[str, LotteryRun],
    run: RunLayout,
    rows: Sequence[Result],
    places: Mapping[NetworkKey, TrainingLayout],
) -> None:
    """Add the networks of a run directory that have no row yet to the experiment that has its last row."""
    finished = {row.key for row in rows}
    lottery = lotteries[rows[-1].experiment]
    lottery.running |= {key: place for key, place in places.items() if key not in finished}


def _read_rows(run: RunLayout) -> list[Result]:
    rows = read_results(run.results)
    if not rows:
        raise UserError(f"{run.results}: no finished network in it yet; run the experiment further, then report")
    return rows


def _best(run: RunLayout) -> BestValidation:
    return configured_best(read_config(run)) if run.config.exists() else BestValidation()


def _check(row: Result, path: Path, columns: Sequence[Metric], declared: Schema) -> None:
    if not 0 < row.density <= 1:
        raise UserError(
            f"{path}: {row.key}: density is {row.density}, expected a fraction of 1; was it edited by hand?"
        )
    for metric in columns:
        value = row.value(metric.name)
        if math.isfinite(value) and not metric.holds(value):
            raise UserError(f"{path}: {row.key}: {impossible(metric, value, declared)}")
    if not math.isfinite(row.seconds):
        raise UserError(f"{path}: {row.key}: its seconds are {row.seconds}; was it edited by hand?")
    if (row.method == DENSE) != (row.round == 0):
        raise UserError(f"{path}: {row.key}: round 0 is the dense network and no other; was it edited by hand?")
