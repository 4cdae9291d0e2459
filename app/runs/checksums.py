"""Checksums of what networks are made from: recorded when it is written, compared when it is read.

The report.json of a finished network of a lottery has those of mask.safetensors, final.safetensors and metrics.csv; all
others are in the checksums.json beside the file. The checksum of weights and masks is that of their values
(`app.common.states.digest`), of other files that of their bytes. Run directories of earlier versions have no
checksums.json: what they have no checksum of is read as it is.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.printing import one_line
from app.common.text_files import read_json
from app.runs.layout import REPLICATE, FitLayout, TrainingLayout, run_of
from app.runs.network_report import read_report
from app.runs.provenance import sha256

CHECKSUMS = "checksums.json"
IN_REPORT = {"mask.safetensors": "mask", "final.safetensors": "final", "metrics.csv": "metrics.csv"}
# Networks whose recorded start is this file: directories of earlier versions record it nowhere else.
STARTED_BY = {"initial.safetensors": ("round_00",), "rewind.safetensors": ("iterative/round_01", "one_shot/round_01")}

Moment = tuple[str, int, int, int]  # path, time of change, size, inode
_computed: dict[Moment, str] = {}  # each file is read for its checksum once in a process


class Recorded(NamedTuple):
    """A checksum, hexadecimal, and the file that has it."""

    checksum: str
    source: Path


def read_checksums(directory: Path) -> dict[str, Any]:
    """The checksums.json of a directory, by name of the file; those of the data are a table, "data".

    Raises:
        UserError: it is not such a table.
    """
    path = directory / CHECKSUMS
    if not path.exists():
        return {}
    try:
        found = read_json(path)
        if not isinstance(found, dict):
            raise TypeError(f"expected an object, not {type(found).__name__}")
    except (ValueError, TypeError) as error:
        why = one_line(error).removeprefix(f"{path}: ")
        raise UserError(
            f"{path}: not a table of checksums ({why}); delete it, and what it recorded is no longer compared"
        ) from None
    return found


def record(directory: Path, checksums: Mapping[str, Any]) -> None:
    """Add checksums to the checksums.json of a directory; None removes one."""
    before = read_checksums(directory)
    after = {name: checksum for name, checksum in {**before, **checksums}.items() if checksum is not None}
    if after != before:
        write_atomically(directory / CHECKSUMS, json.dumps(after, indent=2) + "\n")


def recorded(path: Path) -> Recorded | None:
    """The checksum that was recorded for a file; None if there is none, as for files that are still being written.

    Raises:
        UserError: the file that should have it is damaged.
    """
    files = TrainingLayout(path.parent)
    of_network = run_of(files.root) is not None
    if of_network and not files.done.exists():
        return None
    if not of_network and not REPLICATE.fullmatch(files.root.name) and not FitLayout(files.root).config.exists():
        return None  # no directory of ours
    if isinstance(checksum := read_checksums(files.root).get(path.name), str):
        return Recorded(checksum, files.root / CHECKSUMS)
    if of_network:
        return _in_report(files, IN_REPORT.get(path.name, ""))
    found = (_in_report(TrainingLayout(files.root / name), "start") for name in STARTED_BY.get(path.name, ()))
    return next((each for each in found if each is not None), None)


def _in_report(files: TrainingLayout, name: str) -> Recorded | None:
    if not files.done.exists() or not files.report.exists():
        return None
    checksum = read_report(files)["checksums"].get(name)
    return Recorded(checksum, files.report) if isinstance(checksum, str) else None


def check_file(path: Path) -> None:
    """Compare the bytes of a file with the checksum that was recorded for them, if any was.

    Raises:
        UserError: it is missing, damaged or another one; the message says what makes it again.
    """
    if path.exists():
        compare(path, moment_of(path), lambda: sha256(path))
    elif recorded(path) is not None:
        raise missing(path)


def missing(path: Path) -> UserError:
    """The error for a file of a run that is not there."""
    return UserError(f"{path}: no such file; {remedy(path)}")


def compare(path: Path, moment: Moment | None, compute: Callable[[], str]) -> None:
    """Compare a file with the checksum that was recorded for it, if any was.

    Args:
        path: the file.
        moment: when it was read; None if there is no such file.
        compute: its checksum; called once for each state of the file.

    Raises:
        UserError: it is damaged or another one; the message says what makes it again.
    """
    if moment is None or (expected := recorded(path)) is None:
        return
    if moment not in _computed:
        _computed[moment] = compute()
    found = _computed[moment]
    if found != expected.checksum:
        raise UserError(
            f"{path}: damaged, or another file than was written there (its SHA-256 is {found[:12]}..., "
            f"{expected.source} has {expected.checksum[:12]}...); {remedy(path)}"
        )


def moment_of(path: Path) -> Moment | None:
    """The state of a file, as far as it is known without reading it; None if there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path.absolute()), found.st_mtime_ns, found.st_size, found.st_ino


def remedy(path: Path) -> str:
    """What makes a file again that is missing or damaged."""
    first = f"delete {path}, and " if path.exists() else ""
    if run_of(path.parent) is not None:
        return f"{first}the lottery's command trains this network again"
    if path.name == "initial.safetensors":
        return f"{first}the lottery's command draws these weights again"
    if path.name.startswith("rewind.") or (path.suffix == ".ckpt" and REPLICATE.fullmatch(path.parent.name)):
        return f"{first}the lottery's command trains the dense network again, which makes it"
    if path.name == "report.json":
        return f"{first}the same fit command writes it again"
    if FitLayout(path.parent).config.exists():
        return f"delete {path.parent / 'last.ckpt'}, and the same fit command trains this network again"
    return "name another file"
