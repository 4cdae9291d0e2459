"""Files of predicted and of gold trees, and treebanks, as `parse --score` reads them."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from app.common.errors import UserError
from app.common.spelling import Spelling
from app.common.text_files import read_bytes, read_text
from app.parsing.labels import MANY, evidence
from app.parsing.sentence_tables import CONSTITUENTS, SOURCE, read_constituents, read_source
from app.parsing.tag_sets import CHARACTERS, TagSet, recognised_tag_set, tag_set
from app.parsing.tree_files import TOKEN
from app.parsing.tree_formats import AnyTree, read_any
from app.parsing.treebank import read_treebank
from app.parsing.treebank_formats import conllu, export, recognise
from app.parsing.treebank_options import TreebankOptions

GOLD = "gold.txt"  # as parse writes it, with the labels in a table beside it
AS_WRITTEN = Spelling(lower_case=False, numbers=False, contractions=False)


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of trees.

    Args:
        path: its path.
        form: the name of its format.
        trees: at least one.
        tag_set: of the tags of their words, where they have any; says what is punctuation.
        unit: what a tree's `line` counts: lines of the file, or sentences of a treebank of several files.
        notice: what a reader of the scores has to know; empty if there is nothing.
        source: whose sentences these are, where that is known.
    """

    path: Path
    form: str
    trees: list[AnyTree]
    tag_set: TagSet
    unit: str = "line"
    notice: str = ""
    source: str = ""

    def where(self, number: int) -> str:
        """The place of a tree, by its number from 0."""
        return f"{self.path}, {self.unit} {self.trees[number].line}"

    def no_words(self, tree: AnyTree) -> list[bool]:
        """For each leaf of a tree of the file, whether its tag says that it does not count as a word."""
        if not tree.tags:
            return [False] * tree.length
        words = tree.words or ("",) * tree.length
        kinds = [self.tag_set.kind(tag, word) for tag, word in zip(tree.tags, words, strict=True)]
        return [kind != "word" and not (kind == "other" and self.tag_set.keeps_others) for kind in kinds]

    def only_words(self, tree: AnyTree) -> tuple[str, ...]:
        """The words of a tree of the file without punctuation."""
        return tuple(word for word, out in zip(tree.words or (), self.no_words(tree), strict=True) if not out)


def read_file(path: Path, form: str | None, tags: TagSet | None = None) -> TreeFile:
    """Read a file of trees; labels of a gold.txt of ours are taken from the table beside it.

    Args:
        path: the file.
        form: the name of its format; None to choose by content.
        tags: the tag set of its words; None to choose by content.

    Raises:
        UserError: as `read_any`, or the table is of other sentences.
    """
    table, source = path.with_name(CONSTITUENTS), path.with_name(SOURCE)
    ours = path.name == GOLD and (table.exists() or source.exists())
    name, trees = read_any(path, form or ("unlabelled" if ours else None))
    if ours and name == "unlabelled" and table.exists():
        labels = read_constituents(table, [tree.length for tree in trees])
        trees = [replace(tree, phrases=tuple(phrases)) for tree, phrases in zip(trees, labels, strict=True)]
    counts = Counter(tag for tree in trees for tag in tree.tags)
    whose = read_source(source) if ours and source.exists() else ""
    notice = f"the gold trees are of {whose}" if whose else ""
    if form is None and not ours and name in ("labelled", "unlabelled") and len(trees) < MANY:
        notice = _about_labels(path, name)
    return TreeFile(path, name, trees, tags or recognised_tag_set(counts), notice=notice, source=whose)


def _about_labels(path: Path, name: str) -> str:
    """A line about a file of brackets whose content does not tell whether they have labels; else empty."""
    text, _ = read_text(path)
    _, certain = evidence(TOKEN.findall(text)).verdict()
    other = "labelled" if name == "unlabelled" else "unlabelled"
    if certain:
        return ""
    return (
        f"{path}: does not tell whether its brackets have labels: read as {name} (or say {other} with --score_format, "
        "of predicted trees, or --gold_format)"
    )


def read_gold(path: Path, form: str | None, tags: str | None, split: str | None) -> TreeFile:
    """Read gold trees: a file of trees as `read_file` does, or a treebank as `parse --treebank` does.

    A treebank is a folder, or a file in the NEGRA export format or CoNLL-U. Its punctuation is left out.

    Args:
        path: the file or folder.
        form: the name of its format; None to choose by content. Of a treebank's folder "labelled" or "unlabelled".
        tags: the tag set of its words; None to choose by content.
        split: of a treebank; None for its default split.

    Raises:
        UserError: it cannot be read, there is no such split, or a split of a file of trees is asked for.
    """
    chosen = tag_set(tags) if tags is not None else None
    labels = {"labelled": True, "unlabelled": False}.get(form or "") if path.is_dir() else None
    if (form is not None and labels is None) or not _is_treebank(path):
        if split is not None:
            raise UserError(f"--split is {split!r}, but {path} is a file of trees; leave it out")
        return read_file(path, form, chosen)
    bank = read_treebank(path, AS_WRITTEN, TreebankOptions(tags=tags, labels=labels))
    trees = [
        AnyTree(
            line=number,
            words=sentence.words,
            length=len(sentence.words),
            tree=sentence.tree,
            phrases=sentence.constituents,
        )
        for number, sentence in enumerate(bank.split(split), start=1)
    ]
    form = f"{bank.name}, {split or bank.default_split}"
    return TreeFile(path, form, trees, chosen or CHARACTERS, unit="sentence", notice=bank.notice, source=form)


def _is_treebank(path: Path) -> bool:
    if path.is_dir():
        return True
    found = recognise(read_bytes(path).decode(errors="replace"))
    return found is not None and found.name in (export.FORMAT.name, conllu.FORMAT.name)
