"""Logs what a command has measured of the networks of a lottery to the W&B runs of their trainings."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.text_files import read_json
from app.runs.measured_networks import OPTION, SCORES, Measurable, MeasuredNetworks, read_scores
from app.runs.output_directory import claim_output
from app.runs.provenance import sha256
from app.training.trained_run import TrainedRun, trained_run

LOGGED = "logged.json"  # beside the scores of a network: the checksum of those that its run has
Table: TypeAlias = tuple[list[str], list[list[Any]]]  # columns and rows


def score_table(path: Path) -> Table:
    """The columns and rows of a scores.csv, with numbers where there are any, and None in empty cells.

    Raises:
        UserError: it is damaged.
    """
    rows = read_scores(path)
    return list(rows[0]) if rows else [], [[_cell(text) for text in row.values()] for row in rows]


def log_measured_networks(networks: MeasuredNetworks, read: Callable[[Path], Table] = score_table) -> None:
    """Log the scores that W&B's runs do not have yet, each run once for all of its rounds.

    One row of numbers, such as that of `test`, is logged as values, `test/METRIC` beside `round` and `density`; any
    other table as `COMMAND/round_NN`. Where a process was killed before it had logged, or W&B was disabled, the next
    one logs.

    Args:
        networks: that a command has measured.
        read: the table of a scores.csv.

    Raises:
        UserError: scores are damaged, or a file of the user's is in the way.
    """
    runs: dict[tuple[int, str, int], list[Measurable]] = defaultdict(list)
    for network in networks.networks():
        if networks.is_measured(network) and not _is_logged(networks.folder(network)):
            runs[network.key.replicate, network.key.method, network.key.branch].append(network)
    for measured in runs.values():
        with trained_run(measured[0].weights) as run:
            if run is not None:
                _log(run, networks, sorted(measured, key=lambda network: network.key.round), read)
        # Only a run that was closed has all of it.
        if run is not None and not run.logger.has_failed:
            for network in measured:
                _note(networks.folder(network))


def _log(
    run: TrainedRun, networks: MeasuredNetworks, measured: Sequence[Measurable], read: Callable[[Path], Table]
) -> None:
    for network in measured:
        columns, rows = read(networks.folder(network) / SCORES)
        its = run.of(network.key, network.density)
        if len(rows) == 1 and all(isinstance(cell, int | float) for cell in rows[0]):
            its.log(networks.command, dict(zip(columns, rows[0], strict=True)))
        else:
            its.log_table(networks.command, columns, rows)


def _is_logged(folder: Path) -> bool:
    try:
        return (folder / LOGGED).exists() and bool(read_json(folder / LOGGED) == _logged(folder))
    except UserError:
        return False


def _note(folder: Path) -> None:
    claim_output(folder, [LOGGED], OPTION)
    write_atomically(folder / LOGGED, json.dumps(_logged(folder)) + "\n")


def _logged(folder: Path) -> dict[str, str]:
    return {"scores": sha256(folder / SCORES)}


def _cell(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None
