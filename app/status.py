"""`python -m app status`: what is done, running and missing in a run directory."""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from app.config import read_config
from app.errors import UserError
from app.layout import CONTROLS, NetworkKey, RunLayout
from app.lock import is_locked
from app.pruning import Pruning
from app.results import read_metrics


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
    view = Table(title=f"{layout.root}: {at_work}", title_justify="left")
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


def main(argv: Sequence[str]) -> None:
    """Print the status of one or more run directories."""
    parser = argparse.ArgumentParser("python -m app status", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run directory, such as runs/lenet")
    for root in parser.parse_args(argv).runs:
        Console().print(table(RunLayout(root)))
