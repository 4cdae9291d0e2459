"""Tickets and trained models as W&B artifacts."""

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class RunArtifact:
    """One version of an artifact that a run is to have.

    Args:
        name: of all versions.
        alias: by which this one is asked for.
        known_by: those of its metadata that tell this version from others.
        make: makes it.
        is_best: whether it has the alias `best` too.
        parents: names of the artifacts that it was made from; W&B looks them up, which it can only do online.
    """

    name: str
    alias: str
    known_by: Mapping[str, Any]
    make: "Callable[[], Artifact]"
    is_best: bool = False
    parents: Sequence[str] = ()

    @property
    def aliases(self) -> list[str]:
        """All its aliases."""
        return list(dict.fromkeys([self.alias, *([BEST] if self.is_best else [])]))

    def is_version(self, name: str, metadata: Mapping[str, Any]) -> bool:
        """Whether an artifact of a name and with some metadata is this one."""
        return name == self.name and all(metadata.get(key) == value for key, value in self.known_by.items())


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


def model_artifact(layout: FitLayout, best: Mapping[str, float]) -> RunArtifact:
    """The checkpoint of the best validation of a training by `fit` as an artifact, with what it measured there.

    Args:
        layout: of the training.
        best: the row of the best validation.
    """
    name, checksum = layout.name.replace("/", "-"), sha256(layout.best)

    def make() -> "Artifact":
        from wandb import Artifact

        measured = {name: value for name, value in best.items() if not math.isnan(value)}
        artifact = Artifact(name, MODEL_TYPE, description=layout.name, metadata={**measured, "sha256": checksum})
        artifact.add_file(str(layout.best))  # a copy: a longer training replaces it
        artifact.add_file(str(layout.config))
        return artifact

    return RunArtifact(name=name, alias=BEST, known_by={"sha256": checksum}, make=make)


def best_of(values: Sequence[float], mode: str) -> int | None:
    """The place of the best of some values, the first of several; None where all are nan."""
    places = [place for place, value in enumerate(values) if not math.isnan(value)]
    return min(places, key=lambda place: values[place] if mode == "min" else -values[place], default=None)


def _add(artifact: "Artifact", name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        artifact.add_file(str(path))


def _by_checksum(checksums: Mapping[str, str]) -> list[str]:
    return [f"{checksum}  {name}" for name, checksum in sorted(checksums.items())]
