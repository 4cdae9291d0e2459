"""Reads the binary version of CIFAR-10: records of a label and the pixels of an image, without any header."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from app.common.errors import UserError
from datamodules.idx import unpack

# N images of a file; a record is its label, then red, green and blue, each row by row from the top.
CLASSES, CHANNELS, SIDE = 10, 3, 32
RECORD = 1 + CHANNELS * SIDE * SIDE


class Records(NamedTuple):
    """The images of a file.

    Args:
        pixels: uint8[N, 3, 32, 32], red, green, blue.
        labels: int64[N], 0 to 9.
        sha256: of the file, hexadecimal.
    """

    pixels: Tensor
    labels: Tensor
    sha256: str


def read_records(path: Path, count: int) -> Records:
    """Read a file of the binary version, https://www.cs.toronto.edu/~kriz/cifar.html.

    Args:
        path: the file.
        count: how many images it has to have; a longer file is not read to its end.

    Raises:
        UserError: no such file, another length, or a label above 9.
    """
    content = unpack(path, count * RECORD + 1)
    if len(content) != count * RECORD:
        found = f"{len(content):,} bytes" if len(content) < count * RECORD else f"more than {count * RECORD:,} bytes"
        raise UserError(
            f"{path}: has {found}, expected {count * RECORD:,}: {count:,} records of {RECORD:,}; put the original file "
            "of the binary version in its place"
        )
    records = torch.frombuffer(content, dtype=torch.uint8).view(count, RECORD)
    labels = records[:, 0]
    if wrong := (labels >= CLASSES).nonzero().flatten().tolist():
        raise UserError(
            f"{path}: the label of record {wrong[0]} is {int(labels[wrong[0]])}, expected 0 to {CLASSES - 1}; put the "
            "original file of the binary version in its place"
        )
    pixels = records[:, 1:].reshape(count, CHANNELS, SIDE, SIDE)
    return Records(pixels, labels.long(), hashlib.sha256(content).hexdigest())
