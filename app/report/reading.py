"""What kind of run directories a report is asked for."""

from collections.abc import Sequence
from pathlib import Path

from app.common.errors import UserError
from app.runs.layout import FitLayout, RunLayout, run_of, seed_directories


def are_lotteries(run_dirs: Sequence[Path]) -> bool:
    """Whether directories are those of whole lotteries; else they are of trainings by `fit` or of single networks.

    Raises:
        UserError: none is given, one is neither, or there are both.
    """
    if not run_dirs:
        raise UserError("report: no run directory given; name at least one, such as runs/quickstart")
    kinds = {_is_lottery(root): root for root in run_dirs}
    if len(kinds) == 2:
        raise UserError(
            f"report: {kinds[True]} is a lottery's and {kinds[False]} is of a single training; report them apart"
        )
    return True in kinds


def _is_lottery(root: Path) -> bool:
    if not root.is_dir():
        raise UserError(f"{root}: no such run directory; name one that a run has written, such as runs/quickstart")
    run, fit = RunLayout(root), FitLayout(root)
    if run_of(root) is not None:
        return False
    if run.results.exists() or any(root.glob("replicate_*")):
        return True
    if seed_directories(root) or any(path.exists() for path in (fit.metrics, fit.report, fit.last)):
        return False
    raise UserError(
        f"{root}: neither a lottery's run directory (no {run.results.name}) nor one of fit "
        f"(no {fit.metrics.name}, no seed_0)"
    )
