"""What W&B's files of a run hold already, read without W&B's help: a LevelDB log of protobuf records.

W&B writes a run into `wandb/offline-run-DATE-ID/run-ID.wandb` (`run-DATE-ID` online), and a process that goes on with
the run begins another such directory. `wandb sync` uploads the directories of a run one after the other, in the order
of their start, and puts the rows of each behind those of the one before: so each has to hold the rows that the ones
before do not. A file that a killed process has left ends within some record, all before which are whole; `wandb sync`
does not go on behind it.
"""

import glob
import json
import os
import shutil
import struct
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GLOBAL_STEP = "trainer/global_step"
_STAMP = "%Y%m%d_%H%M%S"  # of W&B's names of directories
WRITER_SECONDS = 30.0  # for W&B's own process to end, after that which it has served

# Of the log: bytes of the file's own header, of a block, and of the header of a chunk; and what parts of a record are.
_FILE_HEADER, _BLOCK, _HEADER = 7, 32768, 7
_FULL, _FIRST, _LAST = 1, 2, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldArtifact:
    """An artifact that a file holds.

    Args:
        name: of all its versions.
        metadata: of this version.
    """

    name: str
    metadata: Mapping[str, Any]


def run_files(directory: Path, run_id: str) -> list[Path]:
    """The files of a run below the directory that holds `wandb/`, in the order in which processes have begun them."""
    found = [path for path in directory.glob(f"wandb/*run-*-{run_id}*/run-{run_id}.wandb") if not _is_link(path)]
    return sorted(found, key=lambda path: path.parent.name.removeprefix("offline-"))


def last_step(directory: Path, run_id: str) -> int:
    """The last `trainer/global_step` that the files of a run hold; -1 if they hold none."""
    return max((_last_step(path) for path in run_files(directory, run_id)), default=-1)


def held_artifacts(directory: Path, run_id: str) -> list[HeldArtifact]:
    """The artifacts that the files of a run hold, in the order in which they were logged."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    found = []
    for path in run_files(directory, run_id):
        for _, payload in _records(path.read_bytes()):
            record = Record.FromString(payload)
            if record.HasField("artifact"):
                metadata = json.loads(record.artifact.metadata or "{}")
                found.append(HeldArtifact(name=record.artifact.name, metadata=metadata))
    return found


def wait_for_writers(directory: Path, run_id: str) -> None:
    """Wait until no process of this machine has a file of a run open, as far as the system tells.

    W&B's own process outlives a training that is killed for a moment, and writes what it was told before.
    """
    files = {os.path.realpath(path) for path in run_files(directory, run_id)}
    deadline = time.monotonic() + WRITER_SECONDS
    while files and _is_open(files) and time.monotonic() < deadline:
        time.sleep(0.05)


def wait_for_a_new_name(directory: Path, run_id: str) -> None:
    """Wait until W&B would name a new directory of a run otherwise than those that there are, a second at most.

    It names them by the second in which they are begun, and would write over the file of a process that has begun and
    ended in the same one.
    """
    while any(time.strftime(_STAMP) in path.parent.name for path in run_files(directory, run_id)):
        time.sleep(0.05)


def mend(directory: Path, run_id: str) -> None:
    """Cut off what killed processes have left unfinished of a run; no process that is alive may be writing it.

    A directory whose file has no whole record is deleted: `wandb sync` uploads nothing at all because of one.
    """
    wait_for_writers(directory, run_id)
    for path in run_files(directory, run_id):
        data = path.read_bytes()
        end = max((end for end, _ in _records(data)), default=None)
        if end is None:
            shutil.rmtree(path.parent)
        elif end < len(data):
            os.truncate(path, end)


def _is_link(path: Path) -> bool:
    return path.parent.is_symlink()  # latest-run


def _is_open(files: Collection[str]) -> bool:
    for link in glob.iglob("/proc/[0-9]*/fd/*"):
        with suppress(OSError):  # it has ended, or is another user's
            if os.readlink(link) in files:
                return True
    return False


def _last_step(path: Path) -> int:
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    for _, payload in reversed(list(_records(path.read_bytes()))):
        record = Record.FromString(payload)
        for item in record.history.item:
            if GLOBAL_STEP in (item.key, "/".join(item.nested_key)):
                return int(json.loads(item.value_json))
    return -1


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The whole records of a file, in order, each with the position of its end."""
    position, payload = _FILE_HEADER, b""
    while position + _HEADER <= len(data):
        if (rest := _BLOCK - position % _BLOCK) < _HEADER:  # no room for a chunk's header: padding
            position += rest
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        chunk = data[position + _HEADER : position + _HEADER + length]
        if not _FULL <= kind <= _LAST or len(chunk) < length:
            return
        payload = chunk if kind in (_FULL, _FIRST) else payload + chunk
        if kind in (_FULL, _LAST):
            yield position + _HEADER + length, payload
        position += _HEADER + length
