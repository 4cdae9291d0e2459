"""Folders of texts as they are published: WikiText, BabyLM, or any three texts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from app.common.errors import UserError
from app.common.spelling import SIGNS, split_words
from app.common.vocabulary import EOS, UNK, Vocabulary
from datamodules.corpus_reader import count_words, encode, read_vocabulary
from datamodules.file_sums import SUMS, read_sums, sha256_of
from datamodules.text import Corpus, TextDataModule

# What files and folders of each text are called: one of the parts of their name, between dots and underscores.
NAMES = {"train": ("train",), "val": ("valid", "val", "validation", "dev"), "test": ("test",)}
OPTIONS = {"train": "train", "val": "valid", "test": "test"}

Ends = Literal["every_line", "lines_with_words", "nothing"]
_SIGN = re.escape(SIGNS)
_SIGNED = re.compile(f"([{_SIGN}]*)(.*?)([{_SIGN}]*)")
_SIGNED_MARK = re.compile(f"([{_SIGN}]*?)({EOS}|{UNK})([{_SIGN}]*)")  # these consist of signs in part


class TextFolder(TextDataModule):
    """The texts of a folder, each of one or several files, in UTF-8; words are separated by white space.

    Recognised are `wiki.train.tokens`, `wiki.valid.tokens` and `wiki.test.tokens` (WikiText), `train.txt`, `valid.txt`
    and `test.txt`, and texts of several files, in the order of their names: `childes.train`, `gutenberg.train`, ... in
    the folder itself or in a folder such as `train_10M`, `dev` and `test` (BabyLM). `train`, `valid` and `test` name
    others. Words that are not in the vocabulary become `<unk>`.

    By default every line ends with `<eos>`, a blank one too, as WikiText is read in the field (AWD-LSTM's `Corpus`,
    torchtext). An `<eos>` of the text's own is read as it is: none is added to a line that ends with one.

    Args:
        data_dir: the folder.
        batch_size: columns of the training text, over all processes together.
        val_batch_size: columns of the validation text, over all processes together.
        test_batch_size: columns of the test text, over all processes together.
        bptt: the usual length of a training window, and the length of an evaluation window.
        seed: of the lengths of training windows.
        eos_after: what gets an `<eos>` that has none: `every_line`; `lines_with_words`, so that blank lines are left
            out; or `nothing`, for a text whose own `<eos>` end its sentences, wherever its lines end.
        split_signs: for texts that are not tokenised: each punctuation sign at the beginning or end of a word is a word
            of its own; apostrophes and signs inside words stay.
        lower_case: read all words in lower case.
        vocabulary_limit: keep at most this many words of the training text, the most frequent ones, including `<unk>`
            and `<eos>`.
        min_count: leave out words that occur fewer times in the training text.
        vocabulary_file: the vocabulary, one word per line, in place of the words of the training text.
        train: the training text: a file or a folder of files, in `data_dir` unless the path is absolute.
        valid: the validation text.
        test: the test text.
        sha256: expected hex checksums by file name; else those of a file `SHA256SUMS` in the folder, if it is there.

    Raises:
        UserError: one of the sizes is below 1, the limit leaves no other word, or a vocabulary file is given together
            with a limit or a count.
    """

    def __init__(
        self,
        data_dir: str,
        batch_size: int = 20,
        val_batch_size: int = 10,
        test_batch_size: int = 10,
        bptt: int = 70,
        seed: int = 0,
        eos_after: Ends = "every_line",
        split_signs: bool = False,
        lower_case: bool = False,
        vocabulary_limit: int | None = None,
        min_count: int = 1,
        vocabulary_file: str | None = None,
        train: str | None = None,
        valid: str | None = None,
        test: str | None = None,
        sha256: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(batch_size, val_batch_size, test_batch_size, bptt, seed)
        if vocabulary_limit is not None and vocabulary_limit < 3:
            raise UserError(
                f"data.vocabulary_limit is {vocabulary_limit}; expected 3 or more, because {UNK} and {EOS} count"
            )
        if min_count < 1:
            raise UserError(f"data.min_count is {min_count}; expected 1 or more")
        if vocabulary_file is not None and (vocabulary_limit is not None or min_count > 1):
            raise UserError(
                "data.vocabulary_file names the words, and data.vocabulary_limit or data.min_count would choose "
                "others; leave one out"
            )
        self.data_dir = Path(data_dir)
        self.lines = Lines(eos_after=eos_after, split_signs=split_signs, lower_case=lower_case)
        self.vocabulary_limit = vocabulary_limit
        self.min_count = min_count
        self.vocabulary_file = vocabulary_file
        self._given = {"train": train, "val": valid, "test": test}
        self.sha256 = dict(sha256 or {})

    def read(self) -> Corpus:
        """Read the words, which takes about a second for a million, and check the files' checksums.

        Raises:
            UserError: a file is missing or wrong, it is not clear which files are meant, or there is no `<eos>`.
        """
        files = {part: self._files(part) for part in NAMES}
        checksums = self._checksums([path for paths in files.values() for path in paths])
        vocabulary = self._vocabulary(files["train"])
        streams: dict[str, Tensor] = {
            part: torch.cat([encode(path, vocabulary, self.lines) for path in paths]) for part, paths in files.items()
        }
        (end,) = vocabulary.encode([EOS])
        for part, stream in streams.items():
            if not (stream == end).any():
                raise UserError(
                    f"{files[part][0]}: has no {EOS}, although data.eos_after is nothing; take every_line or "
                    "lines_with_words if its lines are sentences"
                )
        return Corpus(vocabulary, streams, checksums)

    def _vocabulary(self, training: list[Path]) -> Vocabulary:
        if self.vocabulary_file is not None:
            return read_vocabulary(self.data_dir / self.vocabulary_file)
        return count_words(*training, words_of=self.lines, limit=self.vocabulary_limit, least=self.min_count)

    def _checksums(self, paths: list[Path]) -> dict[str, str]:
        expected, found = read_sums(self.data_dir) | self.sha256, {}
        for path in paths:
            inside = path.is_relative_to(self.data_dir)
            name = path.relative_to(self.data_dir).as_posix() if inside else str(path)
            found[name] = sha256_of(path)
            if found[name] != expected.get(name, found[name]):
                raise UserError(
                    f"{path}: its SHA-256 is {found[name]}, expected {expected[name]}; put the original in its place, "
                    f"or correct {SUMS} or data.sha256 if the file is right"
                )
        return found

    def _files(self, part: str) -> list[Path]:
        """The files of a text, in the order of their names."""
        option = f"data.{OPTIONS[part]}"
        given = self._given[part]
        if given is not None:
            path = self.data_dir / given
            if path.is_dir():
                return self._several(path, part, option)
            if not path.exists():
                raise UserError(f"{path}: no such file or folder; {option} names it")
            return [path]
        if not self.data_dir.is_dir():
            raise UserError(
                f"{self.data_dir}: no such folder; put the texts there, or name their folder with data.data_dir"
            )
        named = [path for path in _visible(self.data_dir) if _is_of(path, part)]
        if files := [path for path in named if path.is_file()]:
            return self._one_text(files, part, option)
        if len(named) == 1:
            return self._several(named[0], part, option)
        if named:
            raise UserError(f"{self.data_dir} has {_list(named)}; name one of them with {option}")
        names = " or ".join(f"*{name}*" for name in NAMES[part])
        raise UserError(f"{self.data_dir}: has no file or folder {names}; name the text with {option}")

    def _one_text(self, files: list[Path], part: str, option: str) -> list[Path]:
        """Files that may be the parts of one text: a single one, or all of them end as `childes.train` does."""
        if len(files) == 1 or all(path.suffix[1:] in NAMES[part] for path in files):
            return files
        raise UserError(f"{self.data_dir} has {_list(files)}; name one of them with {option}")

    def _several(self, folder: Path, part: str, option: str) -> list[Path]:
        """All texts of a folder: those that end as `childes.train` does, else those that end with `.txt`."""
        files = [path for path in _visible(folder) if path.is_file()]
        found = [path for path in files if path.suffix[1:] in NAMES[part]] or [
            path for path in files if path.suffix == ".txt"
        ]
        if not found:
            raise UserError(f"{folder}: has no file *.{NAMES[part][0]} or *.txt; name the text with {option}")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """How the words of a line are read; the arguments are those of `TextFolder`."""

    eos_after: Ends
    split_signs: bool
    lower_case: bool

    def __call__(self, line: str) -> list[str]:
        """The words of a line, `<eos>` included."""
        words = split_words(line)
        if self.split_signs:
            words = [part for word in words for part in _without_signs(word)]
        if self.lower_case:
            words = [word.lower() for word in words]
        wanted = self.eos_after == "every_line" or (self.eos_after == "lines_with_words" and bool(words))
        return [*words, EOS] if wanted and words[-1:] != [EOS] else words


def _without_signs(word: str) -> list[str]:
    """A word, and each sign around it as a word of its own; `<eos>` and `<unk>` stay."""
    found = _SIGNED_MARK.fullmatch(word) or _SIGNED.fullmatch(word)
    before, inner, after = found.groups() if found else ("", word, "")
    return [*before, *([inner] if inner else []), *after]


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _is_of(path: Path, part: str) -> bool:
    return not set(re.split(r"[._]", path.name.lower())).isdisjoint(NAMES[part])


def _list(paths: list[Path]) -> str:
    return ", ".join(path.name for path in paths)
