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


def read_idx(path: Path, *, ndim: int, most: int) -> tuple[Tensor, str]:
    """Read an IDX file of unsigned bytes; its first bytes show whether it is compressed with gzip.

    Args:
        path: the file.
        ndim: the required number of dimensions.
        most: how many values it can have; a file of more is not read to its end.

    Returns:
        The values, uint8 with `ndim` dimensions, and the hex SHA-256 of the uncompressed file with its header.

    Raises:
        UserError: no such file, a damaged gzip file, a wrong header, or too few or too many values.
    """
    header = 4 + 4 * ndim
    content = unpack(path, header + most + 1)
    shape = _parse_header(content, path, ndim)
    found, values = len(content) - header, math.prod(shape)
    if found > most or values > most:
        raise UserError(
            f"{path}: has more than {most:,} values ({' x '.join(map(str, shape))} by its header); "
            "is it the right file?"
        )
    if found != values:
        verb = "is truncated" if found < values else "is too long"
        raise UserError(
            f"{path}: {verb}: {found} bytes of values, expected {values} ({' x '.join(map(str, shape))}); "
            "download it again"
        )
    tensor = torch.frombuffer(content, dtype=torch.uint8, offset=header).view(shape)
    return tensor, hashlib.sha256(content).hexdigest()


def unpack(path: Path, most: int) -> bytearray:
    """Read the first bytes of a file, uncompressed if its first bytes are those of a gzip file.

    Args:
        path: the file.
        most: how many bytes to read and to uncompress: a small archive can hold gigabytes.

    Raises:
        UserError: no such file, or a damaged gzip file.
    """
    try:
        with open(path, "rb") as file:
            packed = file.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
            try:
                return bytearray(gzip.GzipFile(fileobj=file).read(most) if packed else file.read(most))
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise UserError(f"{path}: damaged gzip file ({error}); download it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None


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
