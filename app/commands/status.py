"""`python -m app status`: what is done, running and missing in a run directory."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.common.arguments import Parser
from app.common.errors import UserError
from app.lottery.settings import Pruning
from app.runs.best_validation import Best, configured_best
from app.runs.config import read_config
from app.runs.history import read_history
from app.runs.layout import CONTROLS, FitLayout, NetworkKey, RunLayout, seed_directories
from app.runs.lock import is_locked
from app.runs.results import read_metrics

VAL_LOSS = "val_loss"
TOLD = {VAL_LOSS: 4, "val_perplexity": 2, "val_accuracy": 4}  # metrics of a training by `fit`, with their decimals


def settings_of(layout: RunLayout) -> Pruning:
    """The lottery's options that a run directory was made with.

    Raises:
        UserError: it is no run directory of a lottery.
    """
    options = read_config(layout).get("pruning", {})
    try:
        return Pruning(**options)
    except TypeError as error:
        raise UserError(f"{layout.config}: no lottery's configuration ({error})") from None


def state(layout: RunLayout, key: NetworkKey, *, locked: bool) -> str:
    """One of "done", "running", "begun" (and nobody at work) or "missing"."""
    files = layout.network(key)
    if files.done.exists():
        return "done"
    if files.metrics.exists():
        return "running" if locked else "begun"
    return "missing"


def table(layout: RunLayout) -> Table:
    """One line per replicate, method and branch: how many rounds are done, and where the one in progress stands."""
    locked = is_locked(layout)
    groups: dict[tuple[int, str, int], list[tuple[NetworkKey, str]]] = defaultdict(list)
    for key in settings_of(layout).networks():
        groups[key.replicate, key.method, key.branch].append((key, state(layout, key, locked=locked)))
    at_work = "a process is at work" if locked else "no process is at work"
    view = Table(title=f"{escape(str(layout.root))}: {at_work}", title_justify="left")
    for column in ("replicate", "method", "done", "missing", "in progress"):
        view.add_column(column, justify="right" if column in ("replicate", "done", "missing") else "left")
    for (replicate, method, branch), networks in groups.items():
        states = [state for _, state in networks]
        begun = [f"{_progress(layout, key)} ({state})" for key, state in networks if state in ("running", "begun")]
        name = f"{method} {branch}" if method in CONTROLS else method
        done, missing = states.count("done"), states.count("missing")
        view.add_row(str(replicate), name, f"{done}/{len(states)}", str(missing), ", ".join(begun))
    return view


def _progress(layout: RunLayout, key: NetworkKey) -> str:
    rows = read_metrics(layout.network(key).metrics)
    return f"round {key.round}, iteration {rows[-1].iteration:,}" if rows else f"round {key.round}, beginning"


def fits_in(root: Path) -> list[FitLayout]:
    """The trainings by `fit` in a directory: its own, or those of an experiment's seeds; none in a lottery's.

    Raises:
        UserError: its configuration is not YAML.
    """
    if RunLayout(root).config.exists():
        return [] if "pruning" in read_config(RunLayout(root)) else [FitLayout(root)]
    return [FitLayout(path) for path in seed_directories(root) if FitLayout(path).config.exists()]


def fits_table(root: Path, fits: Sequence[FitLayout]) -> Table:
    """One line per training: whether a process is at work, how far it is, and its metrics, the last and the best.

    Args:
        root: what was asked for.
        fits: the trainings there, at least one.

    Raises:
        UserError: a metrics.csv that is no table of validations.
    """
    bests = [configured_best(read_config(fit)) for fit in fits]
    histories = [_validations(fit, best) for fit, best in zip(fits, bests, strict=True)]
    told = [name for name in TOLD if any(name in row for rows in histories for row in rows)]
    where = " or ".join(sorted({best.where for best in bests}))
    view = Table(title=f"{escape(str(root))}: best at {where}", title_justify="left")
    for column in ("seed", "process", "validations", "iteration", *(f"{name}\nlast / best" for name in told)):
        view.add_column(column, justify="left" if column == "process" else "right")
    for fit, best, rows in zip(fits, bests, histories, strict=True):
        pair = [rows[-1], best.of(rows)] if rows else []
        view.add_row(
            escape(fit.root.resolve().name.removeprefix("seed_")),
            "running" if is_locked(fit) else "none",
            f"{len(rows):,}",
            f"{rows[-1]['iteration']:,}" if rows else "",
            *(" / ".join(f"{row[name]:,.{TOLD[name]}f}" for row in pair if name in row) for name in told),
        )
    return view


def _validations(fit: FitLayout, best: Best) -> list[dict[str, float]]:
    """The rows of metrics.csv; none where no checkpoint says that there should be any."""
    if not fit.metrics.exists() and not fit.last.exists():
        return []
    if not fit.metrics.exists():
        raise UserError(f"{fit.metrics}: no such file, though {fit.last.name} is there; was it removed by hand?")
    if not fit.metrics.stat().st_size:
        raise UserError(f"{fit.metrics}: empty, without even its header; was it edited by hand?")
    rows = read_history(fit.metrics)
    for name in dict.fromkeys((VAL_LOSS, best.monitor)):
        if rows and not all(row.get(name, -1) >= 0 for row in rows):
            raise UserError(f"{fit.metrics}: rows without a {name} from 0 up; was it edited by hand?")
    return rows


def main(argv: Sequence[str]) -> None:
    """Print the status of one or more run directories."""
    parser = Parser("python -m app status", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="such as runs/lenet, of a lottery or of fit")
    for root in parser.parse_args(argv).runs:
        fits = fits_in(root)
        Console().print(fits_table(root, fits) if fits else table(RunLayout(root)))
