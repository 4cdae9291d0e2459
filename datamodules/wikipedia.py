"""Large corpora of shuffled sentences: English Wikipedia of Gulordava et al. (2018), or the user's own."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from torch import Tensor

from app.common.errors import UserError
from app.common.vocabulary import EOS, UNK, Vocabulary
from datamodules.corpus_reader import count_words, encode, read_vocabulary
from datamodules.download import fetch
from datamodules.file_sums import SUMS, add_sum, read_sums, sha256_of
from datamodules.text import Corpus, TextDataModule
from datamodules.windows import ShuffledWindowLoader, WindowLoader

MIRRORS = ("https://dl.fbaipublicfiles.com/colorless-green-rnns/training-data/English/",)
FILES = {"train": "train.txt", "val": "valid.txt", "test": "test.txt"}
VOCABULARY = "vocab.txt"
# Bytes of each file that are never reached: three times those of 80 and 10 million words, and of 50,000.
LARGEST = {"train.txt": 1_500_000_000, "valid.txt": 200_000_000, "test.txt": 200_000_000, VOCABULARY: 2_000_000}


class Wikipedia(TextDataModule):
    """The corpus of the paper's syntactic evaluation (section 5.3), or any tokenised corpus in three files.

    It has 80 million words for training and 10 million for validation, with shuffled sentences (Gulordava et al. 2018,
    section 2). The files are `train.txt`, `valid.txt` and `test.txt` in UTF-8, one sentence per line, words separated
    by white space; every line gets an `<eos>` at its end unless it has one. `vocab.txt` in the same folder lists the
    vocabulary, one word per line; without it, the vocabulary is that of the training text. Other words become `<unk>`.

    No checksums of the original files are published. The checksums of downloaded files are saved in `SHA256SUMS` in the
    same folder, and later reads check against them; `sha256` overrides them.

    Args:
        data_dir: the folder of the files.
        batch_size: columns of the training text, over all processes together.
        val_batch_size: columns of the validation text, over all processes together.
        test_batch_size: columns of the test text, over all processes together.
        bptt: the length of a window; the usual length if the windows are not shuffled.
        seed: of the order of training windows, or of their lengths.
        shuffled: train on windows of one length in random order, as the authors did here; else on windows of random
            lengths in the order of the text.
        vocabulary_limit: keep at most this many words of the training text, the most frequent ones, including `<unk>`
            and `<eos>`; cannot be combined with a `vocab.txt`.
        download: download the paper's files (about half a gigabyte), unless `data_dir` has the user's own texts.
        mirrors: base URLs to download from, tried in this order.
        sha256: expected hex checksums by file name.

    Raises:
        UserError: one of the sizes is below 1, or the limit leaves no other word.
    """

    def __init__(
        self,
        data_dir: str = "data/wikipedia",
        batch_size: int = 128,
        val_batch_size: int = 10,
        test_batch_size: int = 10,
        bptt: int = 35,
        seed: int = 0,
        shuffled: bool = True,
        vocabulary_limit: int | None = None,
        download: bool = True,
        mirrors: tuple[str, ...] = MIRRORS,
        sha256: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(batch_size, val_batch_size, test_batch_size, bptt, seed)
        if vocabulary_limit is not None and vocabulary_limit < 3:
            raise UserError(
                f"data.vocabulary_limit is {vocabulary_limit}; expected 3 or more, because {UNK} and {EOS} count"
            )
        self.data_dir = Path(data_dir)
        self.shuffled = shuffled
        self.vocabulary_limit = vocabulary_limit
        self.download = download
        self.mirrors = mirrors
        self.sha256 = dict(sha256 or {})

    def prepare_data(self) -> None:
        """Download missing files, unless `download` is false or `data_dir` has the user's own texts.

        Raises:
            UserError: a download failed.
        """
        own = any((self.data_dir / name).exists() for name in FILES.values()) and not (self.data_dir / SUMS).exists()
        for name in (*FILES.values(), VOCABULARY) if self.download and not own and self._corpus is None else ():
            if not (self.data_dir / name).exists():
                expected = self.sha256.get(name, read_sums(self.data_dir).get(name))
                # Before the file is there: one without such a list is taken for the user's own.
                arrived = partial(add_sum, self.data_dir)
                fetch(name, expected, self.mirrors, self.data_dir, most=LARGEST[name], arrived=arrived)

    def read(self) -> Corpus:
        """Read the words, which takes about a minute for the paper's corpus, and check the files' checksums.

        Raises:
            UserError: a file is missing or wrong.
        """
        expected = read_sums(self.data_dir) | self.sha256
        checksums = {}
        for name in (*FILES.values(), VOCABULARY):
            if (self.data_dir / name).exists():
                checksums[name] = sha256_of(self.data_dir / name)
                if checksums[name] != expected.get(name, checksums[name]):
                    raise UserError(
                        f"{self.data_dir / name}: its SHA-256 is {checksums[name]}, expected {expected[name]}; put the "
                        f"original in its place, or correct {SUMS} or data.sha256 if the file is right"
                    )
            elif name != VOCABULARY:
                raise UserError(
                    f"{name} is not in {self.data_dir}; put the three texts there, or set data.download to true"
                )
        vocabulary = self._vocabulary(from_file=VOCABULARY in checksums)
        streams: dict[str, Tensor] = {part: encode(self.data_dir / name, vocabulary) for part, name in FILES.items()}
        return Corpus(vocabulary, streams, checksums)

    def _vocabulary(self, *, from_file: bool) -> Vocabulary:
        if not from_file:
            return count_words(self.data_dir / FILES["train"], limit=self.vocabulary_limit)
        if self.vocabulary_limit is not None:
            raise UserError(
                f"data.vocabulary_limit is {self.vocabulary_limit}, but {self.data_dir / VOCABULARY} names the words; "
                "remove one of them"
            )
        return read_vocabulary(self.data_dir / VOCABULARY)

    @property
    def iterations_per_epoch(self) -> int:
        """Number of windows per epoch; approximate if their lengths are random."""
        if not self.shuffled:
            return super().iterations_per_epoch
        return -(-(len(self.corpus.streams["train"]) // self.batch_size - 1) // self.bptt)

    def train_dataloader(self) -> WindowLoader | ShuffledWindowLoader:  # type: ignore[override]
        """The training text in windows, with other lengths or in another order in every epoch."""
        if not self.shuffled:
            return super().train_dataloader()
        rank, world_size = self._rank()
        return ShuffledWindowLoader(
            self._columns("train"), self.bptt, seed=self._window_seed, rank=rank, world_size=world_size
        )
