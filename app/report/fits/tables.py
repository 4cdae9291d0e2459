"""Tables of trainings by `fit`: what each validation measured, and what the trainings came from."""

from collections import defaultdict
from collections.abc import Sequence

from app.plotting.style import iteration
from app.report.fits.provenance import Provenance
from app.report.fits.quantities import tabled
from app.report.fits.reading import FitExperiment
from app.report.fits.series import fit_line, spread_of
from app.report.tables import Table

NONE = "\N{EN DASH}"


def validations_table(experiment: FitExperiment) -> Table:
    """One row per validation; means over seeds, with the least and the greatest value in brackets."""
    quantities = tabled(experiment.columns)
    lines = [{point.number: point.value for point in fit_line(experiment, each.column)} for each in quantities]
    first, rows = experiment.fits[0].first, []
    for index in range(max(len(fit.rows) for fit in experiment.fits)):
        at = spread_of([fit.rows[index]["iteration"] for fit in experiment.fits if index < len(fit.rows)])
        values = [
            line[index + first].number(quantity) if index + first in line else NONE
            for quantity, line in zip(quantities, lines, strict=True)
        ]
        rows.append((str(index + first), iteration(at.mean), *values, str(at.n)))
    header = ("Validation", "Iteration", *(each.heading for each in quantities), "Seeds")
    return Table(caption="by validation", header=header, rows=rows)


def provenance_table(experiment: FitExperiment) -> Table:
    """Seeds, versions and checksums; where seeds differ in one, each value with the seeds that have it."""
    made = [fit.provenance for fit in experiment.fits]
    versions = dict.fromkeys(name for each in made for name in each.versions)
    data = dict.fromkeys(name for each in made for name in each.data)
    rows: list[tuple[str, ...]] = [
        ("seed" if len(made) == 1 else "seeds", ", ".join(str(each.seed) for each in made)),
        ("threads", _by_seed(made, [str(each.threads) for each in made])),
        *((name, _by_seed(made, [each.versions.get(name, NONE) for each in made])) for name in versions),
        *((f"SHA-256 of {name}", _by_seed(made, [each.data.get(name, NONE) for each in made])) for name in data),
    ]
    return Table(caption="what it was made with", header=("", ""), rows=rows, words=(0, 1))


def _by_seed(made: Sequence[Provenance], values: Sequence[str]) -> str:
    """What all have in common, or each value with the seeds that have it."""
    seeds: dict[str, list[str]] = defaultdict(list)
    for each, value in zip(made, values, strict=True):
        seeds[value].append(str(each.seed))
    if len(seeds) == 1:
        return values[0]
    return "; ".join(f"{value} (seed {', '.join(numbers)})" for value, numbers in seeds.items())
