"""Reads a treebank's sentences and gold trees, the Penn Treebank's preprocessed as by the authors of ON-LSTM."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from app.common.errors import UserError
from app.common.spelling import MIKOLOV, Spelling
from app.parsing.penn_treebank import SPLITS, Contents
from app.parsing.preparation import Preparation, tag_counts
from app.parsing.scores import SHORT
from app.parsing.tag_sets import CHARACTERS, PENN, named, recognised_tag_set
from app.parsing.treebank_files import TreebankFile, find_files, read_file
from app.parsing.treebank_formats import TreebankTree, decode
from app.parsing.treebank_labels import decide_labels
from app.parsing.treebank_options import AS_THE_VOCABULARY, TreebankOptions
from app.parsing.treebank_splits import Splits, chinese_splits, parts_of_splits, repeated, splits_by_name
from app.parsing.trees import GoldSentence

WSJ10_SENTENCES = 7_422  # of the paper, by Shen et al. (2019, Table 2)
NOT_CONSTITUENTS = "dependency subtrees (UD), not constituents"


@dataclass(frozen=True, slots=True)
class Treebank:
    """A treebank's sentences, by split.

    Args:
        name: the treebank's name.
        splits: the sentences of each split; a sentence can be in several.
        checksums: hex SHA-256 of each section of the Penn Treebank, of its files concatenated in the order of their
            numbers; of another treebank of each file.
        notice: one line about what is missing or left out, for readers of the scores; empty for the whole treebank.
    """

    name: str
    splits: Splits
    checksums: dict[str, str]
    notice: str

    @property
    def default_split(self) -> str:
        """The split to evaluate on: "test", "sample" of the free sample, or "all" of a treebank not recognised.

        Raises:
            UserError: it has none of them.
        """
        for split in ("test", "sample", "all"):
            if split in self.splits:
                return split
        raise UserError(
            f"{self.name}: section 23, the test split, is missing or not whole; choose from {', '.join(self.splits)}"
        )

    def split(self, name: str | None = None) -> list[GoldSentence]:
        """The sentences of a split, at least one; of the default split if `name` is None.

        Raises:
            UserError: there is no such split, or it is empty.
        """
        chosen = name or self.default_split
        if not self.splits.get(chosen):
            there = ", ".join(split for split, sentences in self.splits.items() if sentences)
            raise UserError(f"{self.name}: there is no split {chosen!r}; choose from {there}")
        return self.splits[chosen]


def read_treebank(place: Path, spelling: Spelling = MIKOLOV, options: TreebankOptions = AS_THE_VOCABULARY) -> Treebank:
    """Read the Penn Treebank, NLTK's sample of it, or any other treebank in one of the `FORMATS`.

    Which one it is follows from the tags of the words and the number of trees in each section. The Penn Treebank has
    the splits "train" (sections 02-21), "valid" (22) and "test" (23), each if it has as many trees as it should; the
    sample has the split "sample" with all sentences. Both have "wsj10": the sentences of at most 10 words of all
    sections, as in the paper (its code says "train" and uses sections 00-24). Any other has the splits "all" and
    "short", of at most 10 words, and "train", "valid" and "test" where names of files or folders, or the numbers of the
    Chinese Treebank's files, say so. What is punctuation, and what is no word, is decided by the tags; the notice says
    by which set of them, and what was left out. Sentences without words are left out.

    Args:
        place: the treebank's folder, files in folders below it too; or one file.
        spelling: of the words, that of the model's vocabulary.
        options: the tag set, the encoding, whether there are labels, and what is kept of case, digits and punctuation.

    Raises:
        UserError: no such folder, no files of a treebank, a file that is damaged, a tag set that does not exist, or no
            words at all.
    """
    asked = options.tag_set()
    files, others = find_files(place, options.codec)
    kinds = {file.format.dependencies for file in files}
    if len(kinds) > 1:
        one, other = (next(file for file in files if file.format.dependencies is each) for each in (False, True))
        raise UserError(
            f"{place}: has constituents ({one.path}) and dependencies ({other.path}); name a folder or file with "
            "one of them"
        )
    files, about_labels = decide_labels(files, place, labels=options.labels, encoding=options.codec)
    trees, checksums, contents = _read(files, place, options.codec)
    preparation = Preparation(
        asked or recognised_tag_set(contents.tags), options.spelling(spelling), punctuation=options.punctuation
    )
    sentences = {path: preparation.sentences(trees.pop(path)) for path in list(trees)}
    bank = _Bank(place, files, others, sentences, contents, preparation, options, about_labels)
    return bank.treebank(checksums, dependencies=kinds == {True})


def _read(
    files: Sequence[TreebankFile], place: Path, encoding: str
) -> tuple[dict[Path, list[TreebankTree]], dict[str, str], Contents]:
    """The trees of each file, checksums, and what decides which treebank it is."""
    trees: dict[Path, list[TreebankTree]] = {}
    counts, tags = Counter[int](), Counter[str]()
    digests: dict[str, hashlib._Hash] = {}
    for file in files:
        content = read_file(file.path)
        name = file.path.name if file.path == place else str(file.path.relative_to(place))
        part = name if file.number is None else f"section {file.number // 100:02d}"
        digests.setdefault(part, hashlib.sha256()).update(content)
        trees[file.path] = file.format.read(decode(content, str(file.path), encoding), str(file.path))
        if file.number is not None:
            counts[file.number // 100] += len(trees[file.path])
        for tree in trees[file.path]:
            tags += tag_counts(tree)
    return trees, {part: digest.hexdigest() for part, digest in digests.items()}, Contents(counts, tags)


@dataclass(frozen=True)
class _Bank:
    """What was read of a treebank; says which it is and what its splits are."""

    place: Path
    files: Sequence[TreebankFile]
    others: int
    by_file: Mapping[Path, list[GoldSentence]]
    contents: Contents
    preparation: Preparation
    options: TreebankOptions
    about_labels: str

    def treebank(self, checksums: dict[str, str], *, dependencies: bool) -> Treebank:
        """The treebank with its splits.

        Raises:
            UserError: it has no words.
        """
        parts = set() if self.files[0].number is not None else parts_of_splits(self.files, self.place)
        once = {path: sentences for path, sentences in self.by_file.items() if path not in parts}
        sentences = list(chain.from_iterable(once.values()))
        if not sentences:
            raise UserError(
                f"{self.place}: no word is left by the tag set {self.preparation.tag_set.name}; its tags are "
                f"{named(Counter(self.contents.tags))}"
            )
        short = [sentence for sentence in sentences if len(sentence.words) <= SHORT]
        notes: list[str] = []
        if self.contents.is_sample:
            name, splits = "NLTK's sample of the Penn Treebank", {"sample": sentences, "wsj10": short}
            about = (
                f"{self.place} is {name} ({len(self.files)} files, {len(sentences):,} sentences), not section 23: "
                "figures on it are not those of the papers, and Mikolov's training text contains its sections 00-01"
            )
        elif self.contents.is_penn:
            name, splits = "Penn Treebank, Wall Street Journal", {**self._sections(), "wsj10": short}
            about = self._about_penn(len(short))
        else:
            name = f"treebank in {self.place}" + (f", {NOT_CONSTITUENTS}" if dependencies else "")
            usual, by_numbers = splits_by_name(self.files, self.place, self.by_file), ""
            if not usual:
                usual, by_numbers = chinese_splits(self.files, self.by_file, self.preparation.tag_set)
            splits = {"all": sentences, "short": short, **usual}
            about = self._about_other(len(sentences), dependencies=dependencies)
            if parts:
                which = f"{len(parts)} file{'s' * (len(parts) != 1)} with a part of train"
                about += f"; all is without {which}, whose sentences are there already"
            notes = [self.about_labels, repeated(once, self.place), by_numbers]
        is_penn = self.contents.is_sample or self.contents.is_penn
        as_in_paper = is_penn and self.preparation.tag_set is PENN and not self.options.punctuation
        left_out = self.preparation.notice(dependencies=dependencies, as_in_paper=as_in_paper)
        tag_set = "" if as_in_paper else self._about_tag_set()
        notice = "; ".join(phrase for phrase in (about, *notes, tag_set, left_out) if phrase)
        return Treebank(name, splits, checksums, notice)

    def _sections(self) -> Splits:
        """The splits of the Penn Treebank that are there as the papers have them."""
        return {
            split: [
                sentence
                for file in self.files
                if file.number is not None and file.number // 100 in SPLITS[split]
                for sentence in self.by_file[file.path]
            ]
            for split in self.contents.splits
        }

    def _about_penn(self, short: int) -> str:
        """One line about how the Penn Treebank in a folder differs from the papers'; empty if it does not."""
        if phrases := self.contents.what_is_missing():
            missing = [f"no split {split}" for split in SPLITS if split not in self.contents.splits]
            effects = ", ".join([*missing, "wsj10 not the paper's"])
            return f"{self.place} is not the whole Penn Treebank ({', '.join(phrases)}): {effects}"
        if short != WSJ10_SENTENCES:
            return f"{self.place} has {short:,} sentences in wsj10, where the paper has {WSJ10_SENTENCES:,}"
        return ""

    def _about_other(self, sentences: int, *, dependencies: bool) -> str:
        files = len(self.files)
        formats = " and ".join(sorted({file.format.name for file in self.files}))
        what = f"{files} file{'s' * (files != 1)} of {formats}, {sentences:,} sentence{'s' * (sentences != 1)}"
        if self.others:
            what += f", and {self.others:,} file{'s' * (self.others != 1)} of something else, not read"
        why = " by its tags and by the number of trees in its sections" if self.files[0].number is not None else ""
        if dependencies:
            return f"{self.place} has {NOT_CONSTITUENTS} ({what}): figures on it are not those of the papers"
        return f"{self.place} is not the Penn Treebank{why} ({what}): figures on it are not those of the papers"

    def _about_tag_set(self) -> str:
        """A phrase about the tag set, and who chose it."""
        chosen = self.preparation.tag_set
        if self.options.tags is not None:
            return f"tag set {chosen.name} ({chosen.about}), as asked"
        if chosen is CHARACTERS:
            return (
                "its tags are of no set that is known here, so that punctuation is what consists of it (or name the "
                "tag set with --tags)"
            )
        return f"tag set {chosen.name} ({chosen.about}), by its tags"
