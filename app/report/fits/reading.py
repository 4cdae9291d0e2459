"""What a report of trainings by `fit` is drawn from: their rows and where these came from, checked and grouped."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from app.common.errors import UserError
from app.report.fits.provenance import Provenance, read_provenance
from app.report.fits.quantities import PERPLEXITY, VAL_LOSS, main_quantity, quantity
from app.runs.best_validation import Best, configured_best
from app.runs.config import read_config
from app.runs.history import read_history
from app.runs.layout import SEED, FitLayout, NetworkLayout, RunLayout, seed_directories


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One training.

    Args:
        layout: where it is.
        provenance: what it came from.
        config: its configuration.
        rows: one per validation, at least one.
    """

    layout: FitLayout
    provenance: Provenance
    config: dict[str, Any]
    rows: list[dict[str, float]]

    @property
    def best(self) -> dict[str, float]:
        """The row of the best validation: what best.ckpt holds."""
        return self.best_by.of(self.rows)

    @property
    def best_by(self) -> Best:
        """How validations were compared."""
        return configured_best(self.config)

    @property
    def first(self) -> int:
        """The number of the first validation: 0 where it came before any training."""
        return min(1, int(self.rows[0]["iteration"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class FitExperiment:
    """Trainings that differ in their seeds, by seed."""

    name: str
    fits: list[Fit]

    @property
    def best_by(self) -> Best:
        """How validations were compared, in all of them."""
        return self.fits[0].best_by

    @property
    def columns(self) -> list[str]:
        """What any of them has measured."""
        rows = [row for fit in self.fits for row in fit.rows]
        return [name for name in dict.fromkeys(name for row in rows for name in row) if _measured(rows, name)]


def are_fits(run_dirs: Sequence[Path]) -> bool:
    """Whether directories are those of `fit`; else they are a lottery's.

    Raises:
        UserError: one is neither, or there are both.
    """
    kinds = {_is_fit(root): root for root in run_dirs}
    if len(kinds) == 2:
        raise UserError(f"report: {kinds[False]} is a lottery's and {kinds[True]} is one of fit; report them apart")
    return kinds.keys() == {True}


def read_fits(run_dirs: Sequence[Path]) -> list[FitExperiment]:
    """Read the trainings of some directories, and group them by experiment.

    Directories of one experiment's name are pooled, wherever they lie; each seed may then come from one only.

    Args:
        run_dirs: directories of single trainings, such as runs/x/seed_0, or of experiments, which hold such; the
            experiments keep the order in which these first name them.

    Raises:
        UserError: no row yet, a file that is missing or broken, a seed that comes twice, or seeds whose validations
            do not belong together.
    """
    experiments: dict[str, dict[int, Fit]] = {}
    for layout in (FitLayout(each) for root in run_dirs for each in seed_directories(root) or [root]):
        name, fit = _experiment_name(layout), _read(layout)
        fits, seed = experiments.setdefault(name, {}), fit.provenance.seed
        if seed in fits:
            raise UserError(
                f"{layout.root}: seed {seed} of experiment {name!r} stands in {fits[seed].layout.root} already; "
                "give each training once"
            )
        fits[seed] = fit
    made = [FitExperiment(name=name, fits=[fits[seed] for seed in sorted(fits)]) for name, fits in experiments.items()]
    for experiment in made:
        _check_together(experiment)
    return made


def _measured(rows: Sequence[dict[str, float]], name: str) -> bool:
    return any(not math.isnan(row.get(name, math.nan)) for row in rows)


def _is_fit(root: Path) -> bool:
    if not root.is_dir():
        raise UserError(f"{root}: no such run directory; name one that a run has written, such as runs/quickstart")
    if RunLayout(root).results.exists() or any(root.glob("replicate_*")):
        return False
    if NetworkLayout(root).mask.exists():
        raise UserError(f"{root}: one network of a lottery; name the run directory above it")
    fit = FitLayout(root)
    if seed_directories(root) or any(path.exists() for path in (fit.metrics, fit.report, fit.last)):
        return True
    raise UserError(
        f"{root}: neither a lottery's run directory (no {RunLayout(root).results.name}) nor one of fit "
        f"(no {fit.metrics.name}, no seed_0)"
    )


def _experiment_name(layout: FitLayout) -> str:
    root = layout.root.resolve()
    return root.parent.name if SEED.fullmatch(root.name) else root.name


def _read(layout: FitLayout) -> Fit:
    for path in (layout.metrics, layout.report):
        if not path.exists():
            raise UserError(f"{path}: no such file; has anything been trained there yet?")
    rows = read_history(layout.metrics)
    if not rows:
        raise UserError(f"{layout.metrics}: no validation in it yet; train further, then report")
    config = read_config(layout)
    for name in (VAL_LOSS, configured_best(config).monitor):
        if name not in rows[0]:
            raise UserError(f"{layout.metrics}: no column {name}; was it edited by hand?")
    for row in rows:
        _check(row, layout.metrics)
    for before, after in pairwise(row["iteration"] for row in rows):
        if after < before:
            raise UserError(f"{layout.metrics}: iteration {after:g} after {before:g}; was it edited by hand?")
    return Fit(layout=layout, provenance=read_provenance(layout.report), config=config, rows=rows)


def _check(row: dict[str, float], path: Path) -> None:
    """A value is within the range of its column; those that need not be measured each time may be missing (nan)."""
    for name, value in row.items():
        known = quantity(name)
        missing = math.isnan(value) and name not in (VAL_LOSS, PERPLEXITY.column)
        if known is not None and not missing and not known.least <= value <= known.greatest:
            raise UserError(
                f"{path}: {name} is {value} at iteration {row['iteration']:,}, expected {known.expected}; "
                "was it edited by hand?"
            )
    if row["iteration"] < 0:
        raise UserError(f"{path}: iteration {row['iteration']}; was it edited by hand?")


def _check_together(experiment: FitExperiment) -> None:
    """Validations are compared by their number: epochs of windows of random length differ in their iterations.

    They belong together while the difference is less than half a distance between validations.
    """
    if len({main_quantity(fit.rows[0]) for fit in experiment.fits}) > 1:
        raise UserError(f"{experiment.name}: only some of its seeds have {PERPLEXITY.column}; report them apart")
    if len({fit.best_by for fit in experiment.fits}) > 1:
        raise UserError(f"{experiment.name}: its seeds differ in best.monitor or best.mode; report them apart")
    for number in range(max(len(fit.rows) for fit in experiment.fits)):
        there = [fit for fit in experiment.fits if number < len(fit.rows)]
        least, most = (choose(there, key=lambda fit: fit.rows[number]["iteration"]) for choose in (min, max))
        low, high = (int(fit.rows[number]["iteration"]) for fit in (least, most))
        if 2 * (high - low) * (number + 1) > high:
            raise UserError(
                f"{experiment.name}: seeds {least.provenance.seed} and {most.provenance.seed} were validated at other "
                f"iterations ({low:,} and {high:,}, row {number + 1}); report them apart"
            )
