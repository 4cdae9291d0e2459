"""Reads W&B's offline files back: a LevelDB log of protobuf records, for which wandb has no reader in Python."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK, FULL, FIRST, LAST = 32768, 1, 2, 4


def records(path: Path) -> Iterator[Record]:
    """All whole records of a run-ID.wandb file, in order; what a killed process left unfinished is passed over."""
    data, position, payload = path.read_bytes(), 7, b""  # 7: the file's own header
    while position + 7 <= len(data):
        if BLOCK - position % BLOCK < 7:  # no room for a chunk's header: the rest of the block is padding
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        chunk = data[position + 7 : position + 7 + length]
        if kind not in range(FULL, LAST + 1) or len(chunk) < length:
            return
        payload = chunk if kind in (FULL, FIRST) else payload + chunk
        if kind in (FULL, LAST):
            yield Record.FromString(payload)
        position += 7 + length


def history(path: Path) -> list[dict[str, Any]]:
    """Every row logged to the file, in order: metric name to value."""
    return [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in records(path)
        if record.HasField("history")
    ]


def files(directory: Path) -> list[Path]:
    """The run-ID.wandb files below `directory`, in the order in which the runs were started."""
    return sorted(directory.glob("wandb/offline-run-*/run-*.wandb"))
