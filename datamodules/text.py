"""Base class of data modules for language models: three streams of words, cut into columns and read in windows."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from app.common.errors import UserError
from app.common.seeds import derive_seed
from app.common.vocabulary import Vocabulary
from datamodules.windows import EvalWindowLoader, WindowLoader, columns, mean_length


class Corpus(NamedTuple):
    """The texts of a data module.

    Args:
        vocabulary: the words of the numbers in the streams.
        streams: int64[N] for each of "train", "val" and "test": the numbers of all words, with `<eos>` after each line.
        checksums: hex SHA-256 of the source of each stream, by name.
    """

    vocabulary: Vocabulary
    streams: dict[str, Tensor]
    checksums: dict[str, str]


class TextDataModule(LightningDataModule, ABC):
    """Base class of data modules for language models: a subclass reads or makes the words.

    Batches are `Window`s, time-major: int64[T, B]. Each process gets some of the columns, with all of their windows.
    The words are read once, even if several Trainers prepare the data.

    Args:
        batch_size: columns of the training text, over all processes together.
        val_batch_size: columns of the validation text, over all processes together.
        test_batch_size: columns of the test text, over all processes together.
        bptt: the usual length of a training window, and the length of an evaluation window.
        seed: of the lengths of training windows.

    Raises:
        UserError: one of the sizes is below 1.
    """

    def __init__(
        self,
        batch_size: int = 20,
        val_batch_size: int = 10,
        test_batch_size: int = 1,
        bptt: int = 70,
        seed: int = 0,
    ) -> None:
        super().__init__()
        sizes = {"batch_size": batch_size, "val_batch_size": val_batch_size, "test_batch_size": test_batch_size}
        for name, size in {**sizes, "bptt": bptt}.items():
            if size < 1:
                raise UserError(f"data.{name} is {size}; expected 1 or more")
        self.batch_size = batch_size
        self.val_batch_size = val_batch_size
        self.test_batch_size = test_batch_size
        self.bptt = bptt
        self._window_seed = derive_seed(seed, 0, "windows")
        self._corpus: Corpus | None = None

    @abstractmethod
    def read(self) -> Corpus:
        """Read and check the words, or make them; called once.

        Raises:
            UserError: a file is missing or wrong.
        """

    def prepare(self) -> None:
        """Prepare and set up the data without a Trainer."""
        self.prepare_data()
        self.setup()

    def setup(self, stage: str | None = None) -> None:
        """Read the texts, unless that has been done.

        Raises:
            UserError: a file is missing or wrong, or a text is too short for its columns.
        """
        if self._corpus is None:
            corpus = self.read()
            for part, (option, size, rows) in self._parts().items():
                words = len(corpus.streams[part])
                if words < rows * size:
                    raise UserError(
                        f"the {part} text has {words:,} words, too few for {size} columns of {rows} or more; "
                        f"use a longer text or a smaller data.{option}"
                    )
            self._corpus = corpus

    @property
    def corpus(self) -> Corpus:
        """The texts; available after `setup`."""
        if self._corpus is None:
            raise UserError(f"{type(self).__name__}: the data has not been read yet; call prepare() first")
        return self._corpus

    @property
    def vocabulary(self) -> Vocabulary:
        """The words and their numbers; available after `setup`."""
        return self.corpus.vocabulary

    @property
    def word_counts(self) -> Tensor:
        """How often each word of the vocabulary occurs in the training text, int64[V]; available after `setup`."""
        return torch.bincount(self.corpus.streams["train"], minlength=len(self.vocabulary))

    @property
    def checksums(self) -> dict[str, str]:
        """Hex SHA-256 of the sources of the texts, by name; available after `setup`."""
        return dict(self.corpus.checksums)

    @property
    def iterations_per_epoch(self) -> int:
        """The approximate number of windows per epoch; it varies a little."""
        return max(1, round(len(self.corpus.streams["train"]) / self.batch_size / mean_length(self.bptt)))

    def reseed(self, *, split: int, order: int) -> None:
        """Use `order` as the seed of the lengths of training windows; the texts have a fixed split."""
        self._window_seed = order

    def train_dataloader(self) -> WindowLoader:
        """The training text in windows of random lengths, different in every epoch."""
        # If a checkpoint was made between epochs, Lightning drops the loader's state, but it counts epochs itself.
        epoch = getattr(self.trainer.fit_loop.epoch_progress.current, "processed", 0) if self.trainer else 0
        rank, world_size = self._rank()
        return WindowLoader(
            self._columns("train"),
            self.bptt,
            seed=self._window_seed,
            rank=rank,
            world_size=world_size,
            epoch=epoch,
        )

    def val_dataloader(self) -> EvalWindowLoader:
        """The validation text in windows of one length, in order."""
        return self._eval_loader("val")

    def test_dataloader(self) -> EvalWindowLoader:
        """The test text in windows of one length, in order."""
        return self._eval_loader("test")

    def predict_dataloader(self) -> Iterable[list[tuple[str, ...]]]:
        """Sentences for which a module predicts distances.

        Raises:
            UserError: this data module has none.
        """
        raise UserError(f"{type(self).__name__} has no sentences to predict for; use datamodules.WSJ, or parse")

    def _eval_loader(self, part: str) -> EvalWindowLoader:
        rank, world_size = self._rank()
        return EvalWindowLoader(self._columns(part), self.bptt, rank=rank, world_size=world_size)

    def _columns(self, part: str) -> Tensor:
        cut = columns(self.corpus.streams[part], self._parts()[part][1])
        # Moved once, so that no iteration has to copy its window to the GPU.
        return cut.to(self.trainer.strategy.root_device) if self.trainer else cut

    def _parts(self) -> dict[str, tuple[str, int, int]]:
        """For each part: the option for its number of columns, this number, and the least length of a column."""
        return {
            "train": ("batch_size", self.batch_size, 3),
            "val": ("val_batch_size", self.val_batch_size, 2),
            "test": ("test_batch_size", self.test_batch_size, 2),
        }

    def _rank(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
