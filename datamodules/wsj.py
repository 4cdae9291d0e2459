"""Sentences of a treebank with their gold trees, for parsing."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from lightning.pytorch import LightningDataModule

from app.common.errors import UserError
from app.common.spelling import MIKOLOV, Spelling
from app.parsing.tag_sets import TagChoice
from app.parsing.treebank import Treebank, read_treebank
from app.parsing.treebank_options import TreebankOptions
from app.parsing.trees import GoldSentence

# Large enough to make the overhead of a batch small, small enough to keep the padding to the longest sentence small.
GROUP_SIZE = 16


class SentenceGroups:
    """Yields lists of a few sentences, in order; a sentence is a tuple of words.

    Args:
        sentences: all sentences.
        rank: index of this process, from 0; it gets every `world_size`-th group.
        world_size: number of processes that share the sentences.
    """

    def __init__(self, sentences: Sequence[tuple[str, ...]], *, rank: int = 0, world_size: int = 1) -> None:
        starts = range(0, len(sentences), GROUP_SIZE)[rank::world_size]
        self._groups = [list(sentences[start : start + GROUP_SIZE]) for start in starts]

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[list[tuple[str, ...]]]:
        return iter(self._groups)


class WSJ(LightningDataModule):
    """The Wall Street Journal part of the Penn Treebank, NLTK's sample of it, or any other treebank.

    Words are preprocessed as in Mikolov's text, lower case, `N` for digits, no punctuation, or in the `spelling` of the
    vocabulary that a module predicts with. The files are read once for a spelling, even if several Trainers prepare the
    data; a warning reports if they are not the whole Penn Treebank, and what was left out.

    Args:
        data_dir: the folder of the files, or a folder above it; or one file.
        split: "train" (sections 02-21), "valid" (22), "test" (23), "wsj10" (at most 10 words, all sections), or
            "sample" (all of NLTK's sample); of any other treebank "all" or "short" (at most 10 words), or "train",
            "valid" and "test" if names of files say so; None for "test", "sample" or "all", whichever there is.
        tags: the tag set, which says what is punctuation and what is no word: penn, ontonotes, ctb, stts, french, ud,
            characters, a YAML file, or lists of tags {punctuation: [...], empty: [...]}; None to recognise it.
        lower_case: put words into lower case; None for as the vocabulary has them.
        numbers: replace every run of digits by N; None for as the vocabulary has them.
        punctuation: keep punctuation.
        labels: whether its bracketed trees have labels; by default their content decides.
        encoding: of its files, such as gb18030; by default UTF-8.

    Raises:
        UserError: there is no such tag set or encoding.
    """

    def __init__(
        self,
        data_dir: str = "data/treebank",
        split: str | None = None,
        tags: TagChoice | None = None,
        lower_case: bool | None = None,
        numbers: bool | None = None,
        punctuation: bool = False,
        labels: bool | None = None,
        encoding: str | None = None,
    ) -> None:
        super().__init__()
        self.data_dir = data_dir
        self.split = split
        self.options = TreebankOptions(
            tags=tags,
            lower_case=lower_case,
            numbers=numbers,
            punctuation=punctuation,
            labels=labels,
            encoding=encoding,
        )
        self.options.tag_set()  # raises here if there is no such set
        self.spelling = MIKOLOV
        self._treebank: Treebank | None = None
        self._read_in: Spelling | None = None

    def prepare(self) -> None:
        """Set up the data without a Trainer."""
        self.setup()

    def setup(self, stage: str | None = None) -> None:
        """Read the treebank, unless that has been done in the same spelling.

        Raises:
            UserError: the folder has no treebank, one of its files is damaged, or it has no such split.
        """
        if self._read_in == self.spelling:
            return
        treebank = read_treebank(Path(self.data_dir), self.spelling, self.options)
        treebank.split(self.split)  # raises here if there is no such split
        if treebank.notice and self._treebank is None:
            warnings.warn(treebank.notice, stacklevel=2)
        self._treebank, self._read_in = treebank, self.spelling

    @property
    def treebank(self) -> Treebank:
        """The treebank; available after `setup`."""
        if self._treebank is None:
            raise UserError(f"{type(self).__name__}: the data has not been read yet; call prepare() first")
        return self._treebank

    @property
    def sentences(self) -> list[GoldSentence]:
        """The sentences of the chosen split."""
        return self.treebank.split(self.split)

    @property
    def checksums(self) -> dict[str, str]:
        """Hex SHA-256 of each section of the Penn Treebank, or of each file of another."""
        return dict(self.treebank.checksums)

    def predict_dataloader(self) -> SentenceGroups:
        """The words of the chosen split's sentences, in order, in the spelling of the module's vocabulary if any."""
        vocabulary = getattr(self.trainer.lightning_module, "vocabulary", None) if self.trainer else None
        if vocabulary is not None:
            self.spelling = vocabulary.spelling
            self.setup()
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return SentenceGroups([sentence.words for sentence in self.sentences], rank=rank, world_size=world_size)
