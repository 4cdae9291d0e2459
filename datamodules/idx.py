"""Reads the IDX format of MNIST's files: a magic number, the size of each dimension, then the values."""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor

from app.common.errors import UserError

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08


def read_idx(path: Path, *, ndim: int) -> tuple[Tensor, str]:
    """Read an IDX file of unsigned bytes; its first bytes show whether it is compressed with gzip.

    Args:
        path: the file.
        ndim: the required number of dimensions.

    Returns:
        The values, uint8 with `ndim` dimensions, and the hex SHA-256 of the uncompressed file with its header.

    Raises:
        UserError: no such file, a damaged gzip file, a wrong header, or too few or too many values.
    """
    content = unpack(path)
    shape = _parse_header(content, path, ndim)
    header, values = 4 + 4 * ndim, math.prod(shape)
    if len(content) - header != values:
        verb = "is truncated" if len(content) - header < values else "is too long"
        raise UserError(
            f"{path}: {verb}: {len(content) - header} bytes of values, expected {values} "
            f"({' x '.join(map(str, shape))}); download it again"
        )
    tensor = torch.frombuffer(content, dtype=torch.uint8, offset=header).view(shape)
    return tensor, hashlib.sha256(content).hexdigest()


def unpack(path: Path) -> bytearray:
    """Read a file, and uncompress it if its first bytes are those of a gzip file.

    Raises:
        UserError: no such file, or a damaged gzip file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    if not content.startswith(_GZIP_MAGIC):
        return bytearray(content)
    try:
        return bytearray(gzip.decompress(content))
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(f"{path}: damaged gzip file ({error}); download it again") from None


def _parse_header(content: bytearray, path: Path, ndim: int) -> tuple[int, ...]:
    """The size of each dimension."""
    if len(content) < 4 + 4 * ndim:
        raise UserError(
            f"{path}: only {len(content)} bytes, expected an IDX header of {4 + 4 * ndim}; download it again"
        )
    zeros, dtype, dimensions = struct.unpack_from(">HBB", content)
    expected = f"00 00 {_UNSIGNED_BYTE:02x} {ndim:02x}"
    if (zeros, dtype, dimensions) != (0, _UNSIGNED_BYTE, ndim):
        reason = (
            "not an IDX file"
            if zeros
            else f"has values of type 0x{dtype:02x}, not unsigned bytes"
            if dtype != _UNSIGNED_BYTE
            else f"has {dimensions} dimensions, not {ndim}"
        )
        raise UserError(f"{path}: {reason} (magic {content[:4].hex(' ')}, expected {expected}); is it the right file?")
    shape = struct.unpack_from(f">{ndim}I", content, 4)
    if 0 in shape:
        raise UserError(f"{path}: has no values ({' x '.join(map(str, shape))}); is it the right file?")
    return shape
