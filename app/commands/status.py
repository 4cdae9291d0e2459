"""`python -m app status`: what is done, running and missing in a run directory."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from app.common.arguments import Parser
from app.common.errors import UserError
from app.common.lines import print_line
from app.common.loading import said_meanwhile
from app.common.metrics import Metric, described, headline_metrics
from app.common.tables import print_table
from app.runs.at_work import processes
from app.runs.best_validation import BestValidation, configured_best
from app.runs.config import read_config
from app.runs.layout import FitLayout, NetworkKey, RunDirectory, RunLayout, TrainingLayout, run_of, seed_directories
from app.runs.lock import held_by
from app.runs.owner import Owner
from app.runs.schema import read_schema
from app.runs.table import ITERATION, MetricsRow, read_metrics


def planned(layout: RunLayout) -> Sequence[NetworkKey]:
    """All networks that there are to be in a lottery, in the order in which they are trained.

    Raises:
        UserError: it is no run directory of a lottery.
    """
    options = read_config(layout).get("pruning")
    if not isinstance(options, dict):
        raise UserError(f"{layout.config}: no lottery's configuration (it has no pruning)")
    recorded = read_schema(layout).networks
    return recorded if recorded is not None else _planned_by_methods(layout, options)


def _planned_by_methods(layout: RunLayout, options: Mapping[str, Any]) -> list[NetworkKey]:
    """The same where the directory is from before they were recorded; methods import torch, which takes seconds."""
    with said_meanwhile():
        from app.lottery.settings import read_settings

    return list(read_settings(options, str(layout.config)).networks())


def state(layout: RunLayout, key: NetworkKey, owner: Owner | None) -> str:
    """One of "done", "running", "begun" (and no process trains it) or "missing".

    Args:
        layout: of the run directory.
        key: of the network.
        owner: the process that trains it, if any.
    """
    files = layout.network(key)
    if files.done.exists():
        return "done"
    if owner is not None:
        return "running"
    return "begun" if files.metrics.exists() else "missing"


def lottery_view(layout: RunLayout) -> tuple[Table, list[str]]:
    """What is done of a lottery, and which process trains what: a table, and lines below it.

    One line per replicate, method and branch: how many rounds are done, and where the one in progress stands; below the
    table one line per network in training.
    """
    keys = planned(layout)
    unfinished = [key for key in keys if not layout.network(key).done.exists()]
    owners = {key: owner for key in unfinished if (owner := held_by(layout.network(key).lock)) is not None}
    table = _lottery_table(layout, keys, owners)
    return table, [f"{key}: {owner}{owner.since_when}" for key, owner in owners.items()]


def _lottery_table(layout: RunLayout, keys: Iterable[NetworkKey], owners: Mapping[NetworkKey, Owner]) -> Table:
    groups: dict[tuple[int, str, int], list[tuple[NetworkKey, str]]] = defaultdict(list)
    for key in keys:
        groups[key.replicate, key.method, key.branch].append((key, state(layout, key, owners.get(key))))
    count = len(processes(layout)) or len(set(owners.values()))
    at_work = {0: "no process is at work", 1: "a process is at work"}.get(count, f"{count} processes are at work")
    view = Table(title=f"{escape(str(layout.root))}: {at_work}", title_justify="left")
    for column in ("replicate", "method", "done", "missing", "in progress"):
        view.add_column(column, justify="right" if column in ("replicate", "done", "missing") else "left")
    for (replicate, method, branch), networks in groups.items():
        states = [state for _, state in networks]
        begun = [f"{_progress(layout, key)} ({state})" for key, state in networks if state in ("running", "begun")]
        name = f"{method} {branch}" if networks[0][0].of else method
        done, missing = states.count("done"), states.count("missing")
        view.add_row(str(replicate), name, f"{done}/{len(states)}", str(missing), ", ".join(begun))
    return view


def _progress(layout: RunLayout, key: NetworkKey) -> str:
    path = layout.network(key).metrics
    rows = read_metrics(path) if path.exists() else []
    return f"round {key.round}, iteration {rows[-1][ITERATION]:,}" if rows else f"round {key.round}, beginning"


def trainings_in(root: Path) -> list[TrainingLayout]:
    """The trainings in a directory: its own, or those of an experiment's seeds; none in a lottery's.

    Raises:
        UserError: its configuration is not YAML.
    """
    if run_of(root) is not None:
        return [TrainingLayout(root)]
    if RunLayout(root).config.exists():
        return [] if "pruning" in read_config(RunLayout(root)) else [FitLayout(root)]
    return [FitLayout(path) for path in seed_directories(root) if FitLayout(path).config.exists()]


def trainings_table(root: Path, trainings: Sequence[TrainingLayout]) -> Table:
    """One line per training: whether a process is at work, how far it is, and its metrics, the last and the best.

    Args:
        root: what was asked for.
        trainings: those there, at least one.

    Raises:
        UserError: a metrics.csv that is no table of validations.
    """
    runs = [_run(each) for each in trainings]
    bests = [configured_best(read_config(run)) for run in runs]
    histories = [_validations(each, best) for each, best in zip(trainings, bests, strict=True)]
    metrics = _told(runs[0], {best.monitor for best in bests}, [row for rows in histories for row in rows])
    where = " or ".join(sorted({best.where for best in bests}))
    view = Table(title=f"{escape(str(root))}: best at {where}", title_justify="left")
    for column in ("seed", "process", "validations", "iteration", *(f"{each.name}\nlast / best" for each in metrics)):
        view.add_column(column, justify="left" if column == "process" else "right")
    for each, best, rows in zip(trainings, bests, histories, strict=True):
        pair = [rows[-1], best.of(rows)] if rows else []
        running = held_by(each.lock) is not None and not each.done.exists()
        view.add_row(
            escape(each.root.resolve().name.removeprefix("seed_")),
            "running" if running else "none",
            f"{len(rows):,}",
            f"{rows[-1][ITERATION]:,}" if rows else "",
            *(" / ".join(metric.number(row[metric.name]) for row in pair if metric.name in row) for metric in metrics),
        )
    return view


def _run(training: TrainingLayout) -> RunDirectory:
    """The run directory that a training belongs to."""
    return training if isinstance(training, FitLayout) else run_of(training.root) or FitLayout(training.root)


def _told(run: RunDirectory, monitors: Iterable[str], rows: Sequence[MetricsRow]) -> list[Metric]:
    """The metrics that a table has room for: the one that decides on the best, and the headlines of validation."""
    schema = described(read_schema(run).metrics, dict.fromkeys(name for row in rows for name in row))
    validation = [metric for name, metric in schema.items() if name.startswith("val_")]
    chosen = dict.fromkeys([*sorted(monitors), *(metric.name for metric in headline_metrics(validation)[:1])])
    return [schema[name] for name in chosen if name in schema]


def _validations(training: TrainingLayout, best: BestValidation) -> list[MetricsRow]:
    """The rows of metrics.csv; none where no checkpoint says that there should be any."""
    if not training.metrics.exists() and not training.last.exists():
        return []
    if not training.metrics.exists():
        raise UserError(f"{training.metrics}: no such file, though {training.last.name} is there; was it removed?")
    if not training.metrics.stat().st_size:
        raise UserError(f"{training.metrics}: empty, without even its header; was it edited by hand?")
    rows = read_metrics(training.metrics)
    if rows and best.monitor not in rows[0]:
        raise UserError(f"{training.metrics}: no column {best.monitor}; was it edited by hand?")
    return rows


def main(argv: Sequence[str]) -> None:
    """Print the status of one or more run directories."""
    parser = Parser("python -m app status", description=__doc__)
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="such as runs/lenet, of a lottery or of fit, or one network of a lottery",
    )
    for root in parser.parse_args(argv).runs:
        trainings = trainings_in(root)
        table, lines = (trainings_table(root, trainings), []) if trainings else lottery_view(RunLayout(root))
        print_table(table)
        for line in lines:
            print_line(line)
