"""Whether a command goes on in a run directory with the data that it was begun with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.common.errors import UserError
from app.common.text_files import read_json
from app.runs.checksums import read_checksums, record
from app.runs.layout import RunDirectory

DATA = "data"  # the entry of checksums.json
SHOWN = 12  # digits of a checksum in messages


def claim_data(run: RunDirectory, checksums: Mapping[str, str], *, begun: bool) -> None:
    """Record the checksums of the data in a new run directory, or compare them with those of an existing one.

    A file may have another name or place; a checksum that was not recorded, as of data that declares none, may be
    anything.

    Args:
        run: the run directory.
        checksums: SHA-256 of the data's files by name, hexadecimal.
        begun: whether anything has been trained there; if not, these replace what is recorded.

    Raises:
        UserError: a file is another one than the run was begun with, or is missing.
    """
    before = _recorded(run) if begun else {}
    changed = [
        f"{name}: SHA-256 {before[name][:SHOWN]}... -> {checksums.get(name, 'none')[:SHOWN]}..."
        for name in sorted(before)
        if checksums.get(name) != before[name] and (name in checksums or before[name] not in checksums.values())
    ]
    if changed:
        raise UserError(
            f"{run.root} was begun with other data ({'; '.join(changed)}); put the former files back, or choose "
            "another --experiment"
        )
    record(run.root, {DATA: {**before, **checksums} or None})


def _recorded(run: RunDirectory) -> dict[str, str]:
    """What checksums.json has, or in a directory of an earlier version the report.json of a training."""
    sources: list[Any] = [read_checksums(run.root).get(DATA)]
    if not isinstance(sources[0], dict):
        reports = [run.root / "report.json", *sorted(run.root.glob("replicate_*/round_00/report.json"))]
        sources = [_data_of(path) for path in reports if path.exists()]
    found = next((source for source in sources if isinstance(source, dict)), {})
    return {name: checksum for name, checksum in found.items() if isinstance(checksum, str)}


def _data_of(report: Path) -> Any:
    try:
        return read_json(report)["checksums"][DATA]
    except (ValueError, KeyError, TypeError):
        return None  # what is read of it later says so
