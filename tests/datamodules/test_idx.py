import gzip
import hashlib
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from app.common.errors import UserError
from datamodules.idx import read_idx

MOST = 1_000
values_of_any_shape = arrays(np.uint8, array_shapes(min_dims=1, max_dims=3, max_side=6))


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A file whose name says nothing about its content."""
    return tmp_path_factory.mktemp("idx") / "values.gz"


def refusal(path: Path, *, ndim: int, most: int = MOST) -> str:
    """The error message, which must be one line."""
    with pytest.raises(UserError) as caught:
        read_idx(path, ndim=ndim, most=most)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@given(values=values_of_any_shape, packed=st.booleans())
def test_reads_what_was_written_whether_packed_or_not(path, idx_bytes, values, packed):
    content = idx_bytes(values)
    path.write_bytes(gzip.compress(content) if packed else content)
    read, sha256 = read_idx(path, ndim=values.ndim, most=MOST)
    assert np.array_equal(read.numpy(), values)
    assert sha256 == hashlib.sha256(content).hexdigest()


@given(values=values_of_any_shape, packed=st.booleans(), data=st.data())
def test_any_truncation_is_refused(path, idx_bytes, values, packed, data):
    content = gzip.compress(idx_bytes(values)) if packed else idx_bytes(values)
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1), label="length")])
    refusal(path, ndim=values.ndim)


@given(values=values_of_any_shape, extra=st.binary(min_size=1, max_size=9))
def test_bytes_after_the_end_are_refused(path, idx_bytes, values, extra):
    path.write_bytes(idx_bytes(values) + extra)
    assert "is too long" in refusal(path, ndim=values.ndim)


@given(values=values_of_any_shape, data=st.data())
def test_any_other_header_byte_is_refused(path, idx_bytes, values, data):
    content = bytearray(idx_bytes(values))
    position = data.draw(st.integers(0, 4 + 4 * values.ndim - 1), label="position")
    content[position] ^= data.draw(st.integers(1, 255), label="flipped bits")
    path.write_bytes(content)
    refusal(path, ndim=values.ndim)


@given(values=values_of_any_shape, ndim=st.integers(1, 4))
def test_another_number_of_dimensions_is_refused(path, idx_bytes, values, ndim):
    path.write_bytes(idx_bytes(values))
    if ndim == values.ndim:
        assert read_idx(path, ndim=ndim, most=MOST)[0].dim() == ndim
    else:
        refusal(path, ndim=ndim)


@given(content=st.binary(max_size=200), packed=st.booleans(), ndim=st.integers(1, 3))
def test_no_content_at_all_raises_anything_else(path, content, packed, ndim):
    path.write_bytes(b"\x1f\x8b" + content if packed else content)
    try:
        values, _ = read_idx(path, ndim=ndim, most=MOST)
    except UserError:
        return
    assert values.numel() == len(content) - 4 - 4 * ndim


@given(values=values_of_any_shape, data=st.data())
def test_a_damaged_archive_never_gives_other_values(path, idx_bytes, values, data):
    content = bytearray(gzip.compress(idx_bytes(values)))
    content[data.draw(st.integers(0, len(content) - 1), label="position")] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        read, _ = read_idx(path, ndim=values.ndim, most=MOST)
    except UserError:
        return
    assert np.array_equal(read.numpy(), values)  # the damage was in the archive's date or name


def test_messages_say_what_was_found_and_expected(path, idx_bytes):
    content = idx_bytes(np.zeros((2, 3), np.uint8))
    path.write_bytes(content[:-1])
    assert "is truncated: 5 bytes of values, expected 6 (2 x 3)" in refusal(path, ndim=2)
    path.write_bytes(b"\x00\x00\x0d\x02" + content[4:])
    assert "type 0x0d, not unsigned bytes (magic 00 00 0d 02, expected 00 00 08 02)" in refusal(path, ndim=2)
    path.write_bytes(content)
    assert "has 2 dimensions, not 1" in refusal(path, ndim=1)
    path.write_bytes(b"<html>not found</html>")
    assert "not an IDX file" in refusal(path, ndim=2)
    path.write_bytes(b"\x00\x00\x08\x01" + bytes(4))
    assert "has no values" in refusal(path, ndim=1)
    path.write_bytes(gzip.compress(content)[:-9])
    assert "damaged gzip file" in refusal(path, ndim=2)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "No such file" in refusal(tmp_path / "none", ndim=1)
    assert "Is a directory" in refusal(tmp_path, ndim=1)


def bomb(start: bytes, size: int) -> bytes:
    """A gzip file of a few kilobytes that unpacks to so many bytes."""
    packer = zlib.compressobj(9, wbits=31)
    packed = packer.compress(start)
    for _ in range(size >> 20):
        packed += packer.compress(bytes(1 << 20))
    return packed + packer.flush()


@pytest.mark.parametrize("shape", [(2, 2), (1 << 13, 1 << 13), (1 << 31, 1 << 31)])
@pytest.mark.parametrize("packed", [True, False])
def test_no_more_is_unpacked_than_the_file_can_hold(path, idx_bytes, shape, packed):
    """An archive of 64 KB holds 64 MB here; only a thousand bytes of it are unpacked."""
    start = struct.pack(">HBB2I", 0, 8, 2, *shape)
    path.write_bytes(bomb(start, 1 << 26) if packed else start + bytes(1 << 20))
    tracemalloc.start()
    try:
        assert f"has more than 1,000 values ({shape[0]} x {shape[1]} by its header)" in refusal(path, ndim=2)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
