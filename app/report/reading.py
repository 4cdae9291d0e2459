"""What kind of run directories a report is asked for."""

from collections.abc import Sequence
from pathlib import Path

from app.common.errors import UserError
from app.runs.layout import FitLayout, RunLayout, run_of, seed_directories


def by_kind(run_dirs: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The directories of whole lotteries, and those of trainings by `fit` or of single networks.

    Raises:
        UserError: none is given, or one is neither.
    """
    if not run_dirs:
        raise UserError("report: no run directory given; name at least one, such as runs/quickstart")
    kinds = [(_is_lottery(root), root) for root in run_dirs]
    return [root for lottery, root in kinds if lottery], [root for lottery, root in kinds if not lottery]


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
