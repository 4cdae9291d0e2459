"""Reads the Penn Treebank's sentences and gold trees, preprocessed as by the authors of ON-LSTM."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from app.common.errors import UserError
from app.parsing.mrg import parse_mrg
from app.parsing.scores import SHORT
from app.parsing.treebank_files import find_files, read_file
from app.parsing.trees import GoldSentence, Node, Tree

# Tags of words; without the tags of punctuation, currency signs and empty nodes.
WORD_TAGS = frozenset(
    (
        *("CC", "CD", "DT", "EX", "FW", "IN", "JJ", "JJR", "JJS", "LS", "MD", "NN", "NNS", "NNP", "NNPS", "PDT", "POS"),
        *("PRP", "PRP$", "RB", "RBR", "RBS", "RP", "SYM", "TO", "UH", "VB", "VBD", "VBG", "VBN", "VBP", "VBZ"),
        *("WDT", "WP", "WP$", "WRB"),
    )
)
SECTIONS = range(25)
SPLITS = {"train": range(2, 22), "valid": range(22, 23), "test": range(23, 24)}  # by sections
TEST_SENTENCES = 2_416  # of section 23
SAMPLE_SECTIONS = {0, 1}
_DIGITS = re.compile("[0-9]+")
_FUNCTION = re.compile("(?<=.)[-=].*", re.DOTALL)  # keeps -NONE- and -LRB- whole

_Sections: TypeAlias = dict[int, list[GoldSentence]]
_Splits: TypeAlias = dict[str, list[GoldSentence]]


@dataclass(frozen=True, slots=True)
class Treebank:
    """A treebank's sentences, by split.

    Args:
        name: the treebank's name.
        splits: the sentences of each split; a sentence can be in several.
        checksums: hex SHA-256 of each section: of its files concatenated in the order of their numbers.
        notice: one line about what is missing, for readers of the scores; empty for the whole treebank.
    """

    name: str
    splits: _Splits
    checksums: dict[str, str]
    notice: str

    @property
    def default_split(self) -> str:
        """The split to evaluate on: "test", or "sample" where the treebank is the free sample.

        Raises:
            UserError: it has neither.
        """
        for split in ("test", "sample"):
            if split in self.splits:
                return split
        raise UserError(f"{self.name}: section 23, the test split, is missing; choose from {', '.join(self.splits)}")

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


def read_treebank(folder: Path) -> Treebank:
    """Read the whole treebank or NLTK's sample of it, whichever the numbers in the files' names indicate.

    The whole treebank has the splits "train" (sections 02-21), "valid" (22) and "test" (23), each if all its sections
    are present; the sample has the split "sample" with all sentences. Both have "wsj10": the sentences of at most 10
    words of all sections, as in the paper (its code says "train" and uses sections 00-24). Sentences without words are
    left out.

    Args:
        folder: with the .mrg files, in itself or in folders below it.

    Raises:
        UserError: no such folder, no .mrg files, a file that is not in the treebank's format, or no words at all.
    """
    files = find_files(folder)
    sections, checksums = _read(files)
    if not any(sections.values()):
        raise UserError(f"{folder}: no word has a tag of the treebank, such as NN; is it the right folder?")
    sentences = list(chain.from_iterable(sections.values()))
    short = [sentence for sentence in sentences if len(sentence.words) <= SHORT]
    if sections.keys() <= SAMPLE_SECTIONS:
        name = "NLTK's sample of the Penn Treebank"
        notice = (
            f"{folder} is {name} ({len(files)} files, {len(sentences):,} sentences), not section 23: figures on it are "
            "not those of the papers, and Mikolov's training text contains its sections 00-01"
        )
        return Treebank(name, {"sample": sentences, "wsj10": short}, checksums, notice)
    splits = {
        split: [sentence for section in numbers for sentence in sections[section]]
        for split, numbers in SPLITS.items()
        if sections.keys() >= set(numbers)
    }
    name = "Penn Treebank, Wall Street Journal"
    return Treebank(name, {**splits, "wsj10": short}, checksums, _what_is_missing(folder, sections, splits))


def _read(files: Mapping[int, Path]) -> tuple[_Sections, dict[str, str]]:
    """Sentences and checksums by section."""
    sections: _Sections = {}
    digests: dict[int, hashlib._Hash] = {}
    for number, path in files.items():
        section, content = number // 100, read_file(path)
        digests.setdefault(section, hashlib.sha256()).update(content)
        prepared = map(gold_sentence, parse_mrg(content, str(path)))
        sections.setdefault(section, []).extend(sentence for sentence in prepared if sentence is not None)
    return sections, {f"section {section:02d}": digest.hexdigest() for section, digest in digests.items()}


def _what_is_missing(folder: Path, sections: _Sections, splits: _Splits) -> str:
    """One line about missing sections or sentences; empty if there are none."""
    missing = [f"{section:02d}" for section in SECTIONS if section not in sections]
    if missing:
        effects = [*(f"no split {split}" for split in SPLITS if split not in splits), "wsj10 is not the paper's"]
        return f"{folder} lacks sections of the Penn Treebank ({', '.join(missing)}): {', '.join(effects)}"
    if len(splits["test"]) != TEST_SENTENCES:
        return f"{folder} has {len(splits['test']):,} sentences in section 23, where the papers have {TEST_SENTENCES:,}"
    return ""


def gold_sentence(node: Node, *, keep_all: bool = False) -> GoldSentence | None:
    """Preprocess a labelled tree for scoring, as the authors' `data_ptb.py` does.

    Words whose tag is not in `WORD_TAGS` are removed; the others become lower case with `N` for every run of digits
    ("1.5" becomes "N.N"). Phrases without words are removed, and unary phrases are collapsed in the unlabelled tree.
    Labels lose their function tags: NP-SBJ-1 and NP=2 become NP. Safe for trees of any depth, because nothing recurses.

    Args:
        node: a tree in which each word is under its tag.
        keep_all: keep every word unchanged, whatever its tag.

    Returns:
        The sentence, its constituents in the order of their ends; None if no word is left.
    """
    words: list[str] = []
    constituents: list[tuple[str, int, int]] = []
    # Open phrases: label, children not visited yet, first word, trees of the children visited.
    begun: list[tuple[str, Iterator[Node | str], int, list[Tree]]] = [(node[0], iter(node[1]), 0, [])]
    top = begun[0][3]
    while begun:
        label, children, start, made = begun[-1]
        child = next(children, None)
        if isinstance(child, tuple):
            begun.append((child[0], iter(child[1]), len(words), []))
        elif child is not None:
            if keep_all or label in WORD_TAGS:
                made.append(len(words))
                words.append(child if keep_all else _DIGITS.sub("N", child.lower()))
        else:
            begun.pop()
            if label and len(words) - start > 1:
                constituents.append((_FUNCTION.sub("", label), start, len(words)))
            if begun:
                begun[-1][3].extend(_collapsed(made))
    return GoldSentence(tuple(words), _collapsed(top)[0], tuple(constituents)) if words else None


def _collapsed(trees: Sequence[Tree]) -> Sequence[Tree]:
    """A node over several trees; one tree or none needs no node."""
    return [tuple(trees)] if len(trees) > 1 else trees
