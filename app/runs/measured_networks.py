"""What a command has measured of the networks of a lottery: a folder in each network's directory, one table of all."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.text_files import LARGEST_NOTE, read_json, read_text
from app.runs.checksums import check_file, recorded
from app.runs.layout import NetworkKey, RunLayout, TrainingLayout
from app.runs.network_report import read_report
from app.runs.output_directory import claim_output
from app.runs.provenance import sha256

SCORES = "scores.csv"
MADE_FROM = "made_from.json"  # beside the scores: what they are of; without it they are measured again
HEAD = ("experiment", "replicate", "method", "round", "branch", "density", "weights")
OPTION = "--output"
# Of the configuration, besides the data, what scores depend on.
TRAINER_OPTIONS = ("precision", "fast_dev_run", "limit_test_batches")


@dataclass(frozen=True, kw_only=True)
class Measurable:
    """A finished network with trained weights.

    Args:
        key: which network.
        files: of the network.
        weights: those of the best validation, or the final ones where these were not kept.
        density: share of weights remaining.
    """

    key: NetworkKey
    files: TrainingLayout
    weights: Path
    density: float


@dataclass(frozen=True, kw_only=True)
class MeasuredNetworks:
    """The results of one command for the networks of a lottery.

    Args:
        run: the lottery.
        command: its name, which is that of the folders.
        options: those that results depend on, as plain values: scores that were made with others are made again.
    """

    run: RunLayout
    command: str
    options: Mapping[str, Any]

    def networks(self) -> list[Measurable]:
        """The finished networks whose trained weights were kept: by replicate, method, round and branch.

        Raises:
            UserError: a report or recorded weights of one are damaged or missing.
        """
        found = []
        keys = self.run.networks()
        for key in sorted(keys, key=lambda key: (key.replicate, key.round > 0, key.method, key.round, key.branch)):
            files = keys[key]
            weights = kept_weights(files)
            if weights is not None:
                found.append(
                    Measurable(key=key, files=files, weights=weights, density=float(read_report(files)["density"]))
                )
        return found

    def folder(self, network: Measurable) -> Path:
        """Where the results of a network lie."""
        return network.files.root / self.command

    def is_measured(self, network: Measurable) -> bool:
        """Whether a network's scores are there, whole, of these weights and with these options."""
        made, scores = self.folder(network) / MADE_FROM, self.folder(network) / SCORES
        if not made.exists() or not scores.exists():
            return False
        try:
            return bool(read_json(made) == self._made_from(network))
        except UserError:
            return False

    def note(self, network: Measurable) -> None:
        """Note that a network's scores are written, as the last of its files."""
        folder = self.folder(network)
        claim_output(folder, [SCORES, MADE_FROM], OPTION)
        write_atomically(folder / MADE_FROM, json.dumps(self._made_from(network), indent=2) + "\n")

    def write_table(
        self, name: str = SCORES, *, keep: Callable[[Mapping[str, str]], bool] = lambda row: True
    ) -> Path | None:
        """Write the scores of all measured networks as one table: the columns `HEAD`, and those of scores.csv.

        Args:
            name: of the table, and of the one of each network.
            keep: whether a row of a scores.csv is to stand in it.

        Returns:
            The table's path; None where no network is measured.

        Raises:
            UserError: a scores.csv is damaged, or a file of the user's is in the way.
        """
        rows: list[dict[str, Any]] = []
        columns: dict[str, None] = {}
        for network in filter(self.is_measured, self.networks()):
            key = network.key
            head = (self.run.name, key.replicate, key.method, key.round, key.branch, network.density)
            for row in read_scores(self.folder(network) / name):
                if keep(row):
                    columns |= dict.fromkeys(row)
                    rows.append({**dict(zip(HEAD, (*head, network.weights.stem), strict=True)), **row})
        if not rows:
            return None
        text = io.StringIO()
        writer = csv.DictWriter(text, [*HEAD, *columns], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        folder = self.run.root / self.command
        claim_output(folder, [name], OPTION)
        write_atomically(folder / name, text.getvalue())
        return folder / name

    def _made_from(self, network: Measurable) -> dict[str, Any]:
        known = recorded(network.weights)
        return {
            "weights": network.weights.name,
            "checksum": known.checksum if known is not None else sha256(network.weights),
            "options": dict(self.options),
            "scores": sha256(self.folder(network) / SCORES),
        }


def kept_weights(files: TrainingLayout) -> Path | None:
    """The trained weights of a finished network: of the best validation, else of the end; None where none were kept.

    Raises:
        UserError: those of the best validation were recorded and are missing or damaged.
    """
    if not files.done.exists():
        return None
    check_file(files.best)
    return next((path for path in (files.best, files.final) if path.exists()), None)


def read_scores(path: Path) -> list[dict[str, str]]:
    """The rows of a table that was written here, as text by column.

    Raises:
        UserError: it is no CSV file, or its rows have other numbers of cells.
    """
    text, _ = read_text(path, LARGEST_NOTE)
    try:
        rows = list(csv.DictReader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise UserError(f"{path}: not a table ({error}); delete it and run the command again") from None
    if any(None in row or None in row.values() for row in rows):
        raise UserError(f"{path}: a row has another number of cells than the header; delete it and run it again")
    return rows


def score_options(config: Mapping[str, Any], **texts: str) -> dict[str, Any]:
    """What scores depend on besides the weights, as JSON has it.

    Args:
        config: of the command, plain; its data, and how the Trainer computes.
        texts: what is measured, such as the sentences; a file may have changed since, so that its path would not do.
    """
    trainer = config.get("trainer") or {}
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    found = {"data": config.get("data"), **{name: trainer.get(name) for name in TRAINER_OPTIONS}, **digests}
    return dict(json.loads(json.dumps(found, default=str)))
