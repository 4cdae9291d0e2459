"""The stability of networks of a lottery to the noise of SGD (Frankle et al. 2020, "instability analysis").

Copies of a network begin with the same masked weights and see the data in different orders, with different dropout and
augmentation. The network is stable if the error does not rise on the line between the trained copies. On the line the
running statistics of batch norm are interpolated like the weights.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from torch import Tensor

from app.common.errors import UserError
from app.common.files import remove_leftovers
from app.common.metrics import Metric, Schema, described, headline_metrics
from app.common.protocols import metric_schema, reseed
from app.common.signals import stop_on_signals
from app.common.states import digest, load_plain_state
from app.lottery.experiment import Experiment
from app.lottery.moments import moment_of, rewind_moment
from app.lottery.stability.copies import Copies
from app.lottery.stability.error_line import ErrorLine, read_line, write_line
from app.lottery.stability.layout import Point, StabilityLayout
from app.lottery.stability.table import StabilityRow, read_rows, write_rows
from app.pruning.interpolation import alphas, error_barrier, interpolate
from app.runs.layout import NetworkKey
from app.runs.lock import locked
from app.training.measure import measure
from callbacks import ExperimentProgress

Finals = tuple[Mapping[str, Tensor], Mapping[str, Tensor]]  # trained states of two copies


@dataclass(frozen=True, kw_only=True)
class StabilityOptions:
    """What is studied of a lottery.

    Args:
        rounds: of the networks; 0 is the dense one.
        method: of the networks.
        replicates: of the networks.
        at: iterations of the dense training whose weights copies begin with; the lottery's rewind point where it is
            empty.
        copies: of each network; all pairs are compared.
        points: on the line between two copies, its ends among them.

    Raises:
        UserError: a number that makes no sense.
    """

    rounds: Sequence[int] = (0,)
    method: str = "iterative"
    replicates: Sequence[int] = (0,)
    at: Sequence[int] = ()
    copies: int = 2
    points: int = 30

    def __post_init__(self) -> None:
        for name, least in (("copies", 2), ("points", 3)):
            if getattr(self, name) < least:
                raise UserError(f"--{name} is {getattr(self, name)}; expected {least} or more")


@dataclass(frozen=True, kw_only=True)
class StabilityStudy:
    """Trains what copies are missing, and measures the lines between them.

    Args:
        options: what is studied.
    """

    options: StabilityOptions

    def __call__(self, experiment: Experiment) -> list[StabilityRow]:
        """Study one lottery; return the rows of all pairs of copies that its directory has.

        Raises:
            UserError: there is no such network, or it is not finished.
            Interrupted: asked to stop; the checkpoint is up to date.
        """
        layout = StabilityLayout.of(experiment.layout)
        points = self.points(experiment)
        with locked(layout):
            remove_leftovers(layout.root)
            total = len(points) * self.options.copies * experiment.iterations
            with stop_on_signals(experiment.requeue_on) as stop, ExperimentProgress(total) as progress:
                lottery = experiment.lottery(progress, stop)
                copies = Copies(experiment=experiment, lottery=lottery, layout=layout, progress=progress, stop=stop)
                for point in points:
                    self._study(point, copies)
        return read_rows(layout.table)

    def points(self, experiment: Experiment) -> list[Point]:
        """What copies are trained from.

        Raises:
            UserError: the lottery makes no such network, or its training is shorter.
        """
        made = {key: key for key in experiment.settings.networks()}
        at = list(dict.fromkeys(self.options.at)) or [experiment.rewind_iteration]
        if late := [iteration for iteration in at if not 0 <= iteration < experiment.iterations]:
            raise UserError(
                f"--at {late[0]}it: the trainings of {experiment.layout.root} have iterations 0 to "
                f"{experiment.iterations - 1:,}"
            )
        found = []
        for replicate in self.options.replicates:
            for round in self.options.rounds:
                key = NetworkKey(replicate, self.options.method if round else "dense", round)
                if key not in made:
                    raise UserError(
                        f"{experiment.layout.root} has no network {key}; its methods are "
                        f"{', '.join(experiment.settings.method_names)}"
                    )
                method = experiment.settings.method(key)
                elsewhere = moment_of(experiment.settings, key) != rewind_moment(experiment.settings)
                if round > 0 and (elsewhere or method.at_last_rate):
                    raise UserError(
                        f"{key} does not train on from the rewind point, where copies begin; choose the tickets of "
                        "another --method"
                    )
                found += [Point(made[key], iteration) for iteration in at]
        return found

    def _study(self, point: Point, copies: Copies) -> None:
        finals = [copies.final(point, number) for number in range(self.options.copies)]
        pairs = combinations(range(self.options.copies), 2)
        rows = [self._row(point, copies, pair, (finals[pair[0]], finals[pair[1]])) for pair in pairs]
        known = {row.pair: row for row in read_rows(copies.layout.table)}
        write_rows(copies.layout.table, {**known, **{row.pair: row for row in rows}}.values())

    def _row(self, point: Point, copies: Copies, numbers: tuple[int, int], finals: Finals) -> StabilityRow:
        path = copies.layout.line(point, *numbers)
        checksums = [digest(final) for final in finals]
        line = read_line(path)
        if line is None or line.checksums != checksums or len(line.errors) != self.options.points:
            metric, found = self._errors(copies, point, finals)
            line = ErrorLine(metric=metric, errors=found, checksums=checksums)
            write_line(path, line)
        key, errors = point.key, line.errors
        return StabilityRow(
            experiment=copies.experiment.layout.name,
            replicate=key.replicate,
            method=key.method,
            round=key.round,
            density=copies.density(point),
            iteration=point.iteration,
            first=numbers[0],
            second=numbers[1],
            metric=line.metric,
            error_first=errors[0],
            error_second=errors[-1],
            error_highest=max(errors),
            barrier=error_barrier(errors),
            line=path.relative_to(copies.layout.root).as_posix(),
        )

    def _errors(self, copies: Copies, point: Point, finals: Finals) -> tuple[str, list[float]]:
        """The metric and its errors along the line between two copies."""
        experiment, root = copies.experiment, copies.layout.copy(point, 0).root.parent
        seeds = copies.lottery.seeds(point.key)
        reseed(experiment.data, split=seeds["split"], order=seeds["order"])
        experiment.data.setup("fit")
        name, errors = "", []
        for alpha in alphas(self.options.points):
            load_plain_state(experiment.model, interpolate(*finals, alpha), "the weights of the copies")
            values = measure(experiment.model, experiment.data, experiment.make_trainer, root)
            metric = _compared(experiment, values)
            name = metric.name
            errors.append(1 - values[name] / metric.greatest)
        return name, errors


def _compared(experiment: Experiment, values: Mapping[str, float]) -> Metric:
    """The metric whose errors are compared: the first that stands for a network and has a greatest value."""
    metrics = described(Schema(metric_schema(experiment.model) or ()), values).values()
    for metric in headline_metrics(metrics):
        if metric.better == "higher" and math.isfinite(metric.greatest):
            return metric
    raise UserError(
        f"{type(experiment.model).__name__} measures nothing with a greatest value, so there is no error on a line "
        "between copies; declare an accuracy in its metric_schema"
    )
