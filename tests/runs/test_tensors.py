"""Weights and masks on disk that are damaged."""

import json
import struct
from pathlib import Path

import pytest

from app.common.errors import UserError
from app.runs.tensors import load_tensors


def with_header(header: object, values: bytes = b"") -> bytes:
    """The bytes of a safetensors file."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + values


@pytest.mark.parametrize(
    "content",
    [
        b"",
        struct.pack("<Q", 1 << 62),
        with_header({"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
        with_header({"a": {"dtype": "F32", "shape": [1 << 62], "data_offsets": [0, 4]}}, bytes(4)),
        with_header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)),
        with_header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, bytes(4)),
        with_header([1]),
        with_header({"\x1b": 3}),
    ],
    ids=range(8),
)
def test_what_is_no_safetensors_file_gets_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mask.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_tensors(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: not a safetensors file (")
    assert message.isprintable()


def test_a_file_that_no_memory_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(_: Path) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Path, "read_bytes", too_large)
    with pytest.raises(UserError, match="damaged, or larger than the memory of this machine"):
        load_tensors(tmp_path / "mask.safetensors")
