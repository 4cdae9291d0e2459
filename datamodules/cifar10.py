"""CIFAR-10: 60,000 colour images of ten classes, from the six files of the binary version."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from app.common.errors import UserError
from datamodules.cifar_records import CLASSES, SIDE, Records, read_records
from datamodules.image_format import check_side, reformat
from datamodules.in_memory_data_module import EVAL_BATCH_SIZE, InMemoryDataModule, Source, Split, SplitSizes, split_last

FOLDER = "cifar-10-batches-bin"
PER_FILE = 10_000  # images
# In this order; SHA-256 of the files in the original archive, as torchvision for Ruby has them.
ORIGINALS = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
COPY = "not the original"

log = logging.getLogger(__name__)


class CIFAR10(InMemoryDataModule):
    """CIFAR-10: 45,000 images for training, 5,000 for validation, 10,000 for test (Krizhevsky 2009).

    The six files are in DATA_DIR/cifar-10-batches-bin and are recognised by the checksum of their content. Files of
    which none is the original, such as a copy that was made from compressed images, are read as well: a line says so,
    and their checksums are recorded with the words "not the original" behind the files' names. A file that is not the
    original among originals is damaged, and refused. The validation images are chosen at random from the 50,000
    training images, by the split seed.

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

    @property
    def folder(self) -> Path:
        """Where the files are, as in the original archive."""
        return Path(self.data_dir) / FOLDER

    def prepare_data(self) -> None:
        """Check that the files are there.

        Raises:
            UserError: one is missing.
        """
        for name in ORIGINALS if self._source is None else ():
            if not os.path.exists(self.folder / name):
                raise self._missing(name)

    def read(self) -> Source:
        """Read the six files and check labels and numbers of images."""
        self.prepare_data()
        files = {name: read_records(self.folder / name, PER_FILE) for name in ORIGINALS}
        names = list(files)
        _check_classes(self.folder, names[:-1], [files[name] for name in names[:-1]])
        _check_classes(self.folder, names[-1:], [files[names[-1]]])
        original = _are_original(self.folder, files)
        if not original:
            log.warning("%s: not the original CIFAR-10, by its SHA-256; its images are used as they are", self.folder)
        checksums = {name if original else f"{name} ({COPY})": each.sha256 for name, each in files.items()}
        pixels = torch.cat([reformat(each.pixels, gray=self.gray, side=self.side) for each in files.values()])
        return Source(pixels, torch.cat([each.labels for each in files.values()]), checksums)

    def split_rows(self, labels: Tensor, *, seed: int) -> Split:
        """Test: the last rows, those of the test file. Validation: chosen at random from the others."""
        return split_last(len(labels), self.sizes, seed=seed)

    def _missing(self, name: str) -> UserError:
        return UserError(
            f"{name} is not in {self.folder}; put the six files of CIFAR-10's binary version there (not the Python "
            "version, which is pickled)"
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
