"""MNIST: 70,000 handwritten digits, from the four original files."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from app.common.errors import UserError
from datamodules.download import fetch
from datamodules.idx import read_idx
from datamodules.in_memory_data_module import (
    EVAL_BATCH_SIZE,
    InMemoryDataModule,
    Source,
    SplitSizes,
)

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")


@dataclass(frozen=True, slots=True)
class IdxFile:
    """One file of the data set.

    Args:
        name: without the suffix ".gz" of the compressed file.
        shape: of its values.
        sha256: hex checksum of the uncompressed file; identifies the file, because gzip files of equal content differ.
        archive_sha256: hex checksum of the compressed file at the mirrors.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str
    archive_sha256: str

    @property
    def values(self) -> int:
        """How many values it has, one byte each."""
        return math.prod(self.shape)


# In this order: images and labels for training, images and labels for test.
FILES = (
    IdxFile(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    IdxFile(
        "train-labels-idx1-ubyte",
        (60_000,),
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    IdxFile(
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    IdxFile(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)


class MNIST(InMemoryDataModule):
    """MNIST: 55,000 images for training, 5,000 for validation, 10,000 for test.

    The four files may be in DATA_DIR/MNIST/raw or in DATA_DIR, compressed or not, and are identified by the checksum
    of their content. An existing file with the wrong content is an error; it is never replaced. The validation images
    are chosen at random from the 60,000 training images, by the split seed.

    Args:
        data_dir: the folder for the data of all data sets.
        batch_size: images of a training batch, over all processes together.
        eval_batch_size: images of an evaluation batch, over all processes together.
        seed: of the split and of the training order, until `reseed` changes them.
        train_images: use so many of the training images, drawn by the split seed; None for all.
        val_images: likewise, of the validation images.
        test_images: likewise, of the test images, but the same ones for every seed.
        download: download missing files (11 MB) to DATA_DIR/MNIST/raw.
        mirrors: base URLs to download from, tried in this order.

    Raises:
        UserError: a batch size or a number of images that is impossible.
    """

    sizes = SplitSizes(train=55_000, val=5_000, test=10_000)

    def __init__(
        self,
        data_dir: str = "data",
        batch_size: int = 60,
        eval_batch_size: int = EVAL_BATCH_SIZE,
        seed: int = 0,
        train_images: int | None = None,
        val_images: int | None = None,
        test_images: int | None = None,
        download: bool = True,
        mirrors: tuple[str, ...] = MIRRORS,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            seed=seed,
            train_images=train_images,
            val_images=val_images,
            test_images=test_images,
        )
        self.data_dir = data_dir
        self.download = download
        self.mirrors = mirrors

    @property
    def raw_dir(self) -> Path:
        """The folder for downloads, the same as torchvision's."""
        return Path(self.data_dir) / "MNIST" / "raw"

    def prepare_data(self) -> None:
        """Download missing files.

        Raises:
            UserError: a file is missing, and `download` is false or the download failed.
        """
        for file in FILES if self._source is None else ():
            if self._find(file) is not None:
                continue
            if not self.download:
                raise self._missing(file)
            # A gzip file is larger than its content by a few bytes at most.
            most = file.values + (1 << 10)
            fetch(f"{file.name}.gz", file.archive_sha256, self.mirrors, self.raw_dir, most=most)

    def read(self) -> Source:
        """Read the four files and check that they are MNIST's."""
        checksums, values = {}, []
        for file in FILES:
            path = self._find(file)
            if path is None:
                raise self._missing(file)
            tensor, checksums[file.name] = read_idx(path, ndim=len(file.shape), most=file.values)
            _check_original(path, file, tensor, checksums[file.name])
            values.append(tensor)
        pixels, labels = torch.cat(values[0::2]), torch.cat(values[1::2])
        return Source(pixels.unsqueeze(1), labels.long(), checksums)

    def _find(self, file: IdxFile) -> Path | None:
        candidates = (folder / name for folder in (self.raw_dir, Path(self.data_dir)) for name in _names(file))
        return next((path for path in candidates if os.path.exists(path)), None)

    def _missing(self, file: IdxFile) -> UserError:
        return UserError(
            f"{' or '.join(_names(file))} is neither in {self.raw_dir} nor in {self.data_dir}; "
            "put the four files of MNIST into one of them, or set data.download to true"
        )


def _names(file: IdxFile) -> tuple[str, str]:
    """The possible names; the uncompressed file comes first, because it is faster to read."""
    return file.name, f"{file.name}.gz"


def _check_original(path: Path, file: IdxFile, values: Tensor, sha256: str) -> None:
    """Check that a file is the original of its name; the error is about the first difference."""
    if values.shape != file.shape:
        reason = f"has {' x '.join(map(str, values.shape))} values, expected {' x '.join(map(str, file.shape))}"
    elif values.dim() == 1 and values.max() > 9:
        row = int((values > 9).nonzero()[0])
        reason = f"label {row} is {int(values[row])}, expected 0 to 9"
    elif sha256 != file.sha256:
        reason = f"the SHA-256 of its content is {sha256}, expected {file.sha256}"
    else:
        return
    raise UserError(f"{path}: not MNIST's {file.name}: {reason}; move it away, or put the original in its place")
