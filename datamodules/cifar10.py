"""CIFAR-10: 60,000 colour images of ten classes, from the six files of the binary version."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from app.common.errors import UserError
from app.common.original_data import NOT_ORIGINAL
from datamodules.archive import unpack_files
from datamodules.cifar_records import CLASSES, RECORD, SIDE, Records, read_records
from datamodules.image_format import check_side, reformat
from datamodules.in_memory_data_module import EVAL_BATCH_SIZE, InMemoryDataModule, Source, SplitSizes
from datamodules.resumable import fetched

# Both serve the same archive. The second one is the author's, who is read at less than 100 kB/s at times.
MIRRORS = (
    "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    "https://www.cs.toronto.edu/~kriz/",
)
# Checksums of the archive and of its files as torchvision for Ruby has them (lib/torchvision/datasets/cifar10.rb). The
# author's page has the MD5 of the archive, c32a1d4ab5d03f1284b67883e8d87530.
ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
ARCHIVE_SIZE = 170_052_171  # bytes

FOLDER = "cifar-10-batches-bin"
PER_FILE = 10_000  # images
ORIGINALS = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}

log = logging.getLogger(__name__)


class CIFAR10(InMemoryDataModule):
    """CIFAR-10: 45,000 images for training, 5,000 for validation, 10,000 for test (Krizhevsky 2009).

    The six files are in DATA_DIR/cifar-10-batches-bin, or are unpacked to there from DATA_DIR/cifar-10-binary.tar.gz,
    and are recognised by the checksum of their content. Files of which none is the original, such as a copy that was
    made from compressed images, are read as well: a line says so, and their checksums are recorded with the words "not
    the original" behind the files' names. A file that is not the original among originals is damaged, and refused. The
    validation images are chosen at random from the 50,000 training images, by the split seed.

    Batches are standardised: (pixel - mean) / std of each channel, over all 50,000 training images whatever the split.
    Black, pixel 0 before that, is what augmentation pads with, as in torchvision's and OpenLTH's order of transforms.

    Args:
        data_dir: the folder for the data of all data sets.
        batch_size: images of a training batch, over all processes together.
        eval_batch_size: images of an evaluation batch, over all processes together.
        seed: of the split and of the training order, until `reseed` changes them.
        augment: flip the training images left to right at random, pad them by 4 black pixels on each side, and crop
            them at random; always in another way, and none for evaluation.
        train_images: use so many of the training images, drawn by the split seed; None for all.
        val_images: likewise, of the validation images.
        test_images: likewise, of the test images, but the same ones for every seed.
        gray: make the images gray.
        side: take this many rows and columns at the centre of the images, 28 for the size of MNIST; None for all 32.
        download: download the archive (170 MB) if files are missing; one that was interrupted is gone on with.
        mirrors: base URLs to download from, tried in this order.

    Raises:
        UserError: a batch size or a number of images that is impossible.
    """

    sizes = SplitSizes(train=45_000, val=5_000, test=10_000)
    standardised = True
    bytes_on_gpu = True

    def __init__(
        self,
        data_dir: str = "data",
        batch_size: int = 60,
        eval_batch_size: int = EVAL_BATCH_SIZE,
        seed: int = 0,
        augment: bool = False,
        train_images: int | None = None,
        val_images: int | None = None,
        test_images: int | None = None,
        gray: bool = False,
        side: int | None = None,
        download: bool = True,
        mirrors: tuple[str, ...] = MIRRORS,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            seed=seed,
            augment=augment,
            train_images=train_images,
            val_images=val_images,
            test_images=test_images,
        )
        check_side(side, SIDE)
        self.data_dir = data_dir
        self.gray = gray
        self.side = side
        self.download = download
        self.mirrors = mirrors

    @property
    def folder(self) -> Path:
        """Where the files are, as in the original archive."""
        return Path(self.data_dir) / FOLDER

    def prepare_data(self) -> None:
        """Download and unpack missing files.

        Raises:
            UserError: a file is missing, and `download` is false or the download failed.
        """
        if self._source is not None or not self._missing():
            return
        directory = Path(self.data_dir)
        if (directory / ARCHIVE).exists():
            self._unpack(directory / ARCHIVE)
            return
        if not self.download:
            raise self._not_there()
        with fetched(
            ARCHIVE, ARCHIVE_SHA256, self.mirrors, directory, size=ARCHIVE_SIZE, wanted=lambda: bool(self._missing())
        ) as archive:
            if archive is not None:
                self._unpack(archive)

    def read(self) -> Source:
        """Read the six files and check labels and numbers of images."""
        if self._missing():
            raise self._not_there()
        files = {name: read_records(self.folder / name, PER_FILE) for name in ORIGINALS}
        names = list(files)
        _check_classes(self.folder, names[:-1], [files[name] for name in names[:-1]])
        _check_classes(self.folder, names[-1:], [files[names[-1]]])
        original = _are_original(self.folder, files)
        if not original:
            log.warning("%s: not the original CIFAR-10, by its SHA-256; its images are used as they are", self.folder)
        checksums = {name if original else f"{name} {NOT_ORIGINAL}": each.sha256 for name, each in files.items()}
        pixels = torch.cat([reformat(each.pixels, gray=self.gray, side=self.side) for each in files.values()])
        return Source(pixels, torch.cat([each.labels for each in files.values()]), checksums)

    def _unpack(self, archive: Path) -> None:
        names = {f"{FOLDER}/{name}": self.folder / name for name in self._missing()}
        unpack_files(archive, names, PER_FILE * RECORD)

    def _missing(self) -> list[str]:
        """Names of files that are not there."""
        return [name for name in ORIGINALS if not os.path.exists(self.folder / name)]

    def _not_there(self) -> UserError:
        return UserError(
            f"{self._missing()[0]} is not in {self.folder}; put the six files of CIFAR-10's binary version there, or "
            f"{ARCHIVE} into {self.data_dir}, or set data.download to true"
        )


def _are_original(folder: Path, files: dict[str, Records]) -> bool:
    """Whether the files are the original ones; all or none has to be."""
    others = [name for name, records in files.items() if records.sha256 != ORIGINALS[name]]
    if others and len(others) < len(files):
        name = others[0]
        raise UserError(
            f"{folder / name}: damaged: others beside it are the original files, and its SHA-256 is "
            f"{files[name].sha256}, expected {ORIGINALS[name]}; put the original in its place"
        )
    return not others


def _check_classes(folder: Path, names: Sequence[str], files: Sequence[Records]) -> None:
    """Check that some files together have equally many images of every class."""
    counts = torch.cat([each.labels for each in files]).bincount(minlength=CLASSES).tolist()
    expected = len(files) * PER_FILE // CLASSES
    wrong = [label for label, count in enumerate(counts) if count != expected]
    if wrong:
        which = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        raise UserError(
            f"{folder}: {which}: {counts[wrong[0]]:,} images of class {wrong[0]}, expected {expected:,}; put the "
            "original files of CIFAR-10's binary version in their place"
        )
