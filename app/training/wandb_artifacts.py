"""Tickets and trained models as W&B artifacts."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.runs.artifact import TICKET_FILE, TICKET_TYPE
from app.runs.layout import FitLayout, NetworkKey, RunLayout
from app.runs.network_report import read_report
from app.runs.provenance import sha256
from app.runs.ticket import ticket_of
from app.runs.ticket_file import pack

if TYPE_CHECKING:
    from wandb import Artifact

MODEL_TYPE, BEST = "model", "best"


def ticket_name(run: RunLayout, key: NetworkKey) -> str:
    """The name of the artifact whose versions are the tickets of one W&B run."""
    parts = [run.name, f"replicate_{key.replicate}", key.method, *([str(key.branch)] if key.of else [])]
    return "-".join(parts)


def round_alias(round: int) -> str:
    """The alias of a round's ticket, such as round-07."""
    return f"round-{round:02d}"


def ticket_artifact(run: RunLayout, key: NetworkKey, before: NetworkKey | None) -> "Artifact":
    """A ticket as an artifact: `ticket.safetensors`, its masks and the weights that it starts from, and its report.

    Its metadata has the SHA-256 of mask, start and data, and those of the ticket that it was made from.

    Args:
        run: the lottery.
        key: of a finished network.
        before: of the ticket that it was made from, if there is one.

    Raises:
        UserError: its starting weights were not kept, or a file is damaged.
    """
    from wandb import Artifact

    files = run.network(key)
    report, ticket = read_report(files), ticket_of(files.root, "start")
    checksums = report["checksums"]
    metadata: dict[str, Any] = {
        **{"experiment": run.name, "replicate": key.replicate, "method": key.method, "round": key.round},
        **{"density": report["density"], "mask": checksums.get("mask"), "start": checksums.get("start")},
        "data": _by_checksum(checksums.get("data") or {}),
        "layers": report.get("layers"),
    }
    if before is not None:
        parent = f"{ticket_name(run, before)}:{round_alias(before.round)}"
        mask = read_report(run.network(before))["checksums"].get("mask")
        metadata |= {"parent": parent, "parent_mask": mask}
    artifact = Artifact(ticket_name(run, key), TICKET_TYPE, description=str(key), metadata=metadata)
    notes = {"weights": "start", **{name: metadata[name] for name in ("experiment", "density", "start")}}
    _add(artifact, TICKET_FILE, pack(ticket.masks, ticket.state, notes=notes))
    artifact.add_file(str(files.report), policy="immutable")
    return artifact


def model_artifact(layout: FitLayout, best: Mapping[str, float]) -> "Artifact":
    """The checkpoint of the best validation of a training by `fit` as an artifact, with what it measured there.

    Args:
        layout: of the training.
        best: the row of the best validation.
    """
    from wandb import Artifact

    measured = {name: value for name, value in best.items() if not math.isnan(value)}
    metadata = {**measured, "sha256": sha256(layout.best)}
    artifact = Artifact(layout.name.replace("/", "-"), MODEL_TYPE, description=layout.name, metadata=metadata)
    artifact.add_file(str(layout.best))  # a copy: a longer training replaces it
    artifact.add_file(str(layout.config))
    return artifact


def is_best(values: Sequence[float], mode: str) -> bool:
    """Whether the last of some values is better than all before it."""
    *before, last = values
    return not math.isnan(last) and all(last < value if mode == "min" else last > value for value in before)


def _add(artifact: "Artifact", name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        artifact.add_file(str(path))


def _by_checksum(checksums: Mapping[str, str]) -> list[str]:
    return [f"{checksum}  {name}" for name, checksum in sorted(checksums.items())]
