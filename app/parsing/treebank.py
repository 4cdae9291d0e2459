"""Reads a treebank's sentences and gold trees, preprocessed as by the authors of ON-LSTM."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from app.common.errors import UserError
from app.common.spelling import MIKOLOV, Spelling
from app.parsing.mrg import parse_mrg
from app.parsing.penn_treebank import NAMED, SPLITS, WORD_TAGS, Contents, tags
from app.parsing.scores import SHORT
from app.parsing.treebank_files import find_files, read_file
from app.parsing.trees import GoldSentence, Node, Tree

WSJ10_SENTENCES = 7_422  # of the paper, by Shen et al. (2019, Table 2)
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
        notice: one line about what is missing or left out, for readers of the scores; empty for the whole treebank.
    """

    name: str
    splits: _Splits
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


def read_treebank(folder: Path, spelling: Spelling = MIKOLOV) -> Treebank:
    """Read the Penn Treebank, NLTK's sample of it, or another treebank in files of the same names.

    Which one it is follows from the tags of the words and the number of trees in each section. The Penn Treebank has
    the splits "train" (sections 02-21), "valid" (22) and "test" (23), each if it has as many trees as it should; the
    sample has the split "sample" with all sentences. Both have "wsj10": the sentences of at most 10 words of all
    sections, as in the paper (its code says "train" and uses sections 00-24). Any other has the splits "all" and
    "short", of at most 10 words. Words with tags that the Penn Treebank does not have are left out, and the notice says
    so; sentences without words are left out.

    Args:
        folder: with the .mrg files, in itself or in folders below it.
        spelling: of the words, that of the model's vocabulary.

    Raises:
        UserError: no such folder, no .mrg files, a file that is not in the treebank's format, or no words at all.
    """
    files = find_files(folder)
    sections, checksums, contents = _read(files, spelling)
    sentences = list(chain.from_iterable(sections.values()))
    if not sentences:
        there = ", ".join(sorted(contents.foreign)[:NAMED])
        raise UserError(
            f"{folder}: no word has a tag of the Penn Treebank, such as NN"
            + (f"; the tags are {there}" if there else "; is it the right folder?")
        )
    short = [sentence for sentence in sentences if len(sentence.words) <= SHORT]
    dropped = contents.what_is_dropped()
    if contents.is_sample:
        name = "NLTK's sample of the Penn Treebank"
        about = (
            f"{folder} is {name} ({len(files)} files, {len(sentences):,} sentences), not section 23: figures on it are "
            "not those of the papers, and Mikolov's training text contains its sections 00-01"
        )
        return Treebank(name, {"sample": sentences, "wsj10": short}, checksums, _notice(about, dropped))
    if contents.is_penn:
        splits = {split: [one for section in SPLITS[split] for one in sections[section]] for split in contents.splits}
        about = _about_penn(folder, contents, len(short))
        name = "Penn Treebank, Wall Street Journal"
        return Treebank(name, {**splits, "wsj10": short}, checksums, _notice(about, dropped))
    about = (
        f"{folder} is not the Penn Treebank by its tags and by the number of trees in its sections ({len(files)} "
        f"file{'s' * (len(files) != 1)}, {len(sentences):,} sentences): figures on it are not those of the papers"
    )
    return Treebank(f"treebank in {folder}", {"all": sentences, "short": short}, checksums, _notice(about, dropped))


def _read(files: Mapping[int, Path], spelling: Spelling) -> tuple[_Sections, dict[str, str], Contents]:
    """Sentences and checksums by section, and what they were made from."""
    sections: _Sections = {}
    trees, counts = Counter[int](), Counter[str]()
    digests: dict[int, hashlib._Hash] = {}
    for number, path in files.items():
        section, content = number // 100, read_file(path)
        digests.setdefault(section, hashlib.sha256()).update(content)
        nodes = parse_mrg(content, str(path))
        trees[section] += len(nodes)
        for node in nodes:
            counts += tags(node)
        prepared = (gold_sentence(node, spelling=spelling) for node in nodes)
        sections.setdefault(section, []).extend(sentence for sentence in prepared if sentence is not None)
    checksums = {f"section {section:02d}": digest.hexdigest() for section, digest in digests.items()}
    return sections, checksums, Contents(trees, counts)


def _about_penn(folder: Path, contents: Contents, short: int) -> str:
    """One line about how the Penn Treebank in a folder differs from the papers'; empty if it does not."""
    phrases = contents.what_is_missing()
    if phrases:
        effects = [*(f"no split {split}" for split in SPLITS if split not in contents.splits), "wsj10 not the paper's"]
        return f"{folder} is not the whole Penn Treebank ({', '.join(phrases)}): {', '.join(effects)}"
    if short != WSJ10_SENTENCES:
        return f"{folder} has {short:,} sentences in wsj10, where the paper has {WSJ10_SENTENCES:,}"
    return ""


def _notice(*phrases: str) -> str:
    return "; ".join(phrase for phrase in phrases if phrase)


def gold_sentence(node: Node, *, keep_all: bool = False, spelling: Spelling = MIKOLOV) -> GoldSentence | None:
    """Preprocess a labelled tree for scoring, as the authors' `data_ptb.py` does.

    Words whose tag is not in `WORD_TAGS` are removed; the others become lower case with `N` for every run of digits
    ("1.5" becomes "N.N"), unless the spelling is another. Phrases without words are removed, and unary phrases are
    collapsed in the unlabelled tree. Labels lose their function tags: NP-SBJ-1 and NP=2 become NP. Safe for trees of
    any depth, because nothing recurses.

    Args:
        node: a tree in which each word is under its tag.
        keep_all: keep every word unchanged, whatever its tag.
        spelling: of the words that are not kept unchanged.

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
                words.append(child if keep_all else spelling.of_tree(child))
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
