"""Tables of trainings: what each validation measured, and what the trainings came from."""

from app.common.metrics import Metric, headline_metrics
from app.plotting.numbers import iteration
from app.report.aggregate import aggregate
from app.report.fit_run import FitRun
from app.report.fit_series import fit_line
from app.report.metrics import is_loss
from app.report.operators import is_by_operators
from app.report.provenance import provenance_table
from app.report.tables import NONE, Table
from app.report.uf1_layers import is_layer, layers
from app.runs.table import ITERATION


def tabled(fit: FitRun) -> list[Metric]:
    """The metrics that have a column: validation and test, UF1 by layer, others, losses."""
    shown = [each for each in fit.metrics.values() if not each.detail and not is_by_operators(each)]
    val, test, train = (
        [each for each in shown if each.name.startswith(f"{part}_")] for part in ("val", "test", "train")
    )
    others = [each for each in shown if each not in (*val, *test, *train) and not is_layer(each)]
    return [
        *(each for each in val if not is_loss(each)),
        *headline_metrics(test),
        *layers(fit.metrics.values()),
        *others,
        *(each for each in (*val, *train) if is_loss(each)),
    ]


def validations_table(fit: FitRun) -> Table:
    """One row per validation; means over seeds, with the least and the greatest value in brackets."""
    metrics, trainings = tabled(fit), fit.trainings
    lines = [{point.number: point.value for point in fit_line(fit, each.name)} for each in metrics]
    first, rows = trainings[0].first, []
    for index in range(max(len(training.rows) for training in trainings)):
        at = aggregate([training.rows[index][ITERATION] for training in trainings if index < len(training.rows)])
        values = [
            line[index + first].number(metric) if index + first in line else NONE
            for metric, line in zip(metrics, lines, strict=True)
        ]
        rows.append((str(index + first), iteration(at.mean), *values, str(at.n)))
    header = ("Validation", "Iteration", *(each.heading for each in metrics), f"{fit.noun.capitalize()}s")
    return Table(caption="by validation", header=header, rows=rows)


def fit_provenance_table(fit: FitRun) -> Table:
    """Seeds, versions and checksums."""
    trainings = fit.trainings
    if fit.noun == "seed":
        seeds = [("seed" if len(trainings) == 1 else "seeds", ", ".join(str(each.seed) for each in trainings))]
    else:
        seeds = [(f"seed of {name}", str(seed)) for name, seed in trainings[0].provenance.seeds.items()]
    return provenance_table([(f"{fit.noun} {each.seed}", each.provenance) for each in trainings], seeds)
