"""What trainings by `fit` show, in sentences: computed from their rows, and claiming no more than these can."""

import math
from collections.abc import Sequence

from app.plotting.style import iteration, plural
from app.report.findings import Findings
from app.report.fits.operators import ANY_ACCURACY, operators_findings
from app.report.fits.quantities import TEST_ACCURACY, VAL_ACCURACY, Quantity, layers, main_quantity, where_best
from app.report.fits.reading import Fit, FitExperiment
from app.report.fits.series import spread_of
from app.runs.best_validation import Best


def fit_findings(experiment: FitExperiment) -> Findings:
    """The headline sentences of one experiment, under what they speak of: perplexity or loss, accuracies, UF1."""
    fits, columns, best = experiment.fits, experiment.columns, experiment.best_by
    lowered = main_quantity(columns)
    said = {lowered.name: _lowest(fits, lowered)}
    if VAL_ACCURACY.column in columns:
        parts = [*_at_best(fits, VAL_ACCURACY, best), *_greatest(fits, VAL_ACCURACY)]
        said[VAL_ACCURACY.name] = [_sentence(parts, best)]
    if TEST_ACCURACY.column in columns:  # its greatest value would be chosen by the test set
        said[TEST_ACCURACY.name] = [_sentence(_at_best(fits, TEST_ACCURACY, best), best)]
    for quantity in layers(columns):
        _, layer = quantity.name.split(", ")
        if parts := [*_at_best(fits, quantity, best), *_greatest(fits, quantity)]:
            said.setdefault("UF1", []).append(_sentence([f"{layer}: {parts[0]}", *parts[1:]], best))
    if sentences := operators_findings(experiment):
        said[ANY_ACCURACY.name] = [*said.get(ANY_ACCURACY.name, []), *sentences]
    return Findings(by_method=said, basis=_basis(fits))


def _sentence(parts: Sequence[str], best: Best) -> str:
    said = "; ".join(parts) or f"not measured where {where_best(best)}"
    return f"{said[0].upper()}{said[1:]}."


def _lowest(fits: Sequence[Fit], quantity: Quantity) -> list[str]:
    """The least value of each seed and where it is, and the last."""
    lowest = [min(fit.rows, key=lambda row: row[quantity.column]) for fit in fits]
    least = spread_of([row[quantity.column] for row in lowest]).write(quantity)
    where = _iterations(lowest)
    if all(row is fit.rows[-1] for row, fit in zip(lowest, fits, strict=True)):
        return [f"Least {least}, at the last validation, {where}: it may not have stopped falling."]
    ends = [fit.rows[-1] for fit in fits]
    last = spread_of([row[quantity.column] for row in ends]).write(quantity)
    return [f"Least {least}, at {where}.", f"At the last validation, {_iterations(ends)}: {last}."]


def _at_best(fits: Sequence[Fit], quantity: Quantity, best: Best) -> list[str]:
    """Its value at the best validation; nothing where some seed has none there, or where it is what decides."""
    values = [fit.best.get(quantity.column, math.nan) for fit in fits]
    if any(map(math.isnan, values)) or quantity.column == best.monitor:
        return []
    return [f"{spread_of(values).write(quantity)} where {where_best(best)}"]


def _greatest(fits: Sequence[Fit], quantity: Quantity) -> list[str]:
    """Its greatest value in each seed; nothing where some seed has none at all."""
    measured = [[row for row in fit.rows if not math.isnan(row.get(quantity.column, math.nan))] for fit in fits]
    if not all(measured):
        return []
    tops = [max(rows, key=lambda row: row[quantity.column]) for rows in measured]
    return [f"highest {spread_of([row[quantity.column] for row in tops]).write(quantity)}, at {_iterations(tops)}"]


def _iterations(rows: Sequence[dict[str, float]]) -> str:
    low, high = (iteration(choose(row["iteration"] for row in rows)) for choose in (min, max))
    return f"iteration {low}" if low == high else f"iterations {low} to {high}"


def _basis(fits: Sequence[Fit]) -> str:
    if len(fits) == 1:
        return "One seed: any difference may be chance."
    said = (
        f"Means over {len(fits)} seeds, each at its own least or greatest; least to greatest in brackets; no "
        "difference is tested for significance."
    )
    longest = max(len(fit.rows) for fit in fits)
    behind = [
        f"seed {fit.provenance.seed} ({plural(len(fit.rows), 'validation')})" for fit in fits if len(fit.rows) < longest
    ]
    return said + (f" Not as far as the others, which have {longest}: {', '.join(behind)}." if behind else "")
