"""Trees of two files side by side: which sentence of one is which of the other, and what to say where they differ."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import compress

from app.commands.tree_file import TreeFile
from app.common.errors import UserError
from app.parsing.matching import ORDER, Matched, difference, match_words
from app.parsing.tree_formats import AnyTree
from app.parsing.trees import GoldSentence

SHOWN = 5  # words of a sentence in messages


@dataclass(frozen=True, slots=True)
class Pairing:
    """How the sentences of two files are matched.

    Args:
        match: "words", "lower" or "order".
        in_common: leave out sentences that one of the files does not have.
        words_only: leave out what the gold trees tag as punctuation.
    """

    match: str = "words"
    in_common: bool = False
    words_only: bool = False


@dataclass(frozen=True, slots=True)
class Pairs:
    """The trees of two files for the same sentences.

    Args:
        numbers: of the gold file's sentences, from 0.
        predicted: as they are scored.
        gold: as they are scored.
        whole: the predicted and the gold trees before words were left out, for evalb, which leaves out its own.
        notes: what a reader of the scores has to know, a line each.
    """

    numbers: list[int]
    predicted: list[AnyTree]
    gold: list[AnyTree]
    whole: tuple[list[AnyTree], list[AnyTree]]
    notes: list[str]

    def only(self, numbers: Collection[int], notes: list[str]) -> "Pairs":
        """The same of some of the gold sentences, with other notes."""
        keep = [number in numbers for number in self.numbers]
        lists = [list(compress(trees, keep)) for trees in (self.predicted, self.gold, *self.whole)]
        return Pairs(list(compress(self.numbers, keep)), lists[0], lists[1], (lists[2], lists[3]), notes)

    def sentences(self) -> list[GoldSentence]:
        """The gold sentences for scoring."""
        return [
            tree.sentence(tree.words or other.words or tuple(map(str, range(tree.length))))
            for tree, other in zip(self.gold, self.predicted, strict=True)
        ]


def pair(predicted: TreeFile, gold: TreeFile, how: Pairing) -> Pairs:
    """Match the sentences of two files.

    Raises:
        UserError: one lacks sentences of the other and `how` does not allow that, or none is in both; names the first.
    """
    if how.match == ORDER or any(tree.words is None for file in (predicted, gold) for tree in file.trees):
        found, notes = _by_order(predicted, gold, how)
    else:
        found, notes = _by_words(predicted, gold, how)
    ours = [predicted.trees[one] for one, _ in found]
    theirs = [gold.trees[other] for _, other in found]
    for file in (predicted, gold):
        if empty := sum(tree.empty for tree in file.trees):
            notes.append(f"{file.path}: {empty:,} empty elements (-NONE-) are no words")
    notes += [file.notice for file in (gold, predicted) if file.notice]
    numbers = [other for _, other in found]
    if not how.words_only:
        if any(tree.tags for tree in theirs):
            notes.append(f"{gold.path}: every word counts, punctuation too; --words_only leaves it out")
        return Pairs(numbers, ours, theirs, (ours, theirs), notes)
    return _words_only(numbers, ours, theirs, notes, gold)


def _by_order(predicted: TreeFile, gold: TreeFile, how: Pairing) -> tuple[list[tuple[int, int]], list[str]]:
    if len(predicted.trees) != len(gold.trees):
        raise UserError(
            f"{predicted.path}: has {len(predicted.trees):,} trees and {gold.path} {len(gold.trees):,}; trees that are "
            "matched by their order need one for each sentence"
        )
    for number, (ours, theirs) in enumerate(zip(predicted.trees, gold.trees, strict=True)):
        lengths = {theirs.length, *([sum(not out for out in gold.no_words(theirs))] if how.words_only else [])}
        if ours.length not in lengths:
            hint = "; are the ends last words? --score_format inclusive_spans" * (predicted.form == "spans")
            raise UserError(
                f"{predicted.where(number)}: a tree over {ours.length} words, and the sentence in {gold.unit} "
                f"{theirs.line} of {gold.path} has {theirs.length}{hint}"
            )
    lacking = next((file.path for file in (predicted, gold) if file.trees[0].words is None), None)
    why = f"{lacking} has no words" if lacking else "--match order"
    return [(number, number) for number in range(len(gold.trees))], [f"sentences are matched by their order: {why}"]


def _by_words(predicted: TreeFile, gold: TreeFile, how: Pairing) -> tuple[list[tuple[int, int]], list[str]]:
    ours = [tree.words or () for tree in predicted.trees]
    theirs = [tree.words or () for tree in gold.trees]
    matched = match_words(ours, theirs, how.match)
    if how.words_only and matched.only_first and matched.only_second:
        matched = _also_without_signs(matched, ours, gold, how)
    if (matched.only_first or matched.only_second) and not (how.in_common and matched.pairs):
        raise UserError(_mismatch(predicted, gold, matched, how))
    notes = []
    for file, numbers, other in ((predicted, matched.only_first, gold), (gold, matched.only_second, predicted)):
        if numbers:
            first = _first(file, numbers)
            notes.append(f"{file.path}: {_count(numbers, file)} not in {other.path}, the first in {first}; left out")
    if [one for one, _ in matched.pairs] != sorted(one for one, _ in matched.pairs):
        notes.append(f"{predicted.path}: the sentences are in another order; they are matched by their words")
    return matched.pairs, notes


def _also_without_signs(matched: Matched, ours: Sequence[tuple[str, ...]], gold: TreeFile, how: Pairing) -> Matched:
    """Match what is left with the gold sentences as they are without punctuation."""
    left = [gold.only_words(gold.trees[number]) for number in matched.only_second]
    more = match_words([ours[number] for number in matched.only_first], left, how.match)
    pairs = [(matched.only_first[one], matched.only_second[other]) for one, other in more.pairs]
    return Matched(
        sorted([*matched.pairs, *pairs], key=lambda each: each[1]),
        [matched.only_first[number] for number in more.only_first],
        [matched.only_second[number] for number in more.only_second],
    )


def _mismatch(predicted: TreeFile, gold: TreeFile, matched: Matched, how: Pairing) -> str:
    """What is wrong, in one line: the first sentence that is not in the other file."""
    extra, missing = matched.only_first, matched.only_second
    advice = f"; --in_common scores the {len(matched.pairs):,} that both have" if matched.pairs else ""
    if not extra:
        lacks = f"has no tree for {_count(missing, gold)} of {gold.path}, the first in {_first(gold, missing)}"
        return f"{predicted.path}: {lacks}{advice}"
    if not missing:
        what = f"{_count(extra, predicted)} not in {gold.path}, the first in {_first(predicted, extra)}"
        return f"{predicted.path}: {what}{advice}"
    line = predicted.trees[extra[0]].line
    ours = predicted.trees[extra[0]].words or ()
    near = next((number for number in missing if gold.trees[number].line == line), None)
    if near is None:
        near = max(missing, key=lambda number: len({*ours}.intersection(gold.trees[number].words or ())))
    theirs = gold.trees[near].words or ()
    advice = _options(ours, gold, near, how) or advice
    return (
        f"{predicted.where(extra[0])}: not the sentence in {gold.unit} {gold.trees[near].line} of {gold.path}, nor "
        f"another: {difference(ours, theirs)}{advice}"
    )


def _options(ours: tuple[str, ...], gold: TreeFile, number: int, how: Pairing) -> str:
    """Advice on the options with which a sentence would be that of a gold tree; empty if there are none."""
    tree = gold.trees[number]
    words = {"": tree.words or (), " --words_only (leaves out punctuation)": gold.only_words(tree)}
    matches = {"": how.match, " --match lower (upper case and numbers do not matter)": "lower"}
    for match, way in matches.items():
        for leave_out, theirs in words.items():
            if match_words([ours], [theirs], way).pairs:
                return f"; try{match}{leave_out}"
    return ""


def _words_only(
    numbers: Sequence[int], ours: Sequence[AnyTree], theirs: Sequence[AnyTree], notes: list[str], file: TreeFile
) -> Pairs:
    if not any(tree.tags for tree in theirs):
        raise UserError(f"{file.path}: has no tags, so that --words_only cannot know what is punctuation; leave it out")
    kept: list[int] = []
    pruned: tuple[list[AnyTree], list[AnyTree]] = ([], [])
    whole: tuple[list[AnyTree], list[AnyTree]] = ([], [])
    words = out = 0
    for number, mine, right in zip(numbers, ours, theirs, strict=True):
        left_out = file.no_words(right)
        words, out = words + len(left_out), out + sum(left_out)
        gold = right.without(left_out)
        if gold is None:
            continue
        same = mine.length == right.length
        tree = mine.without(left_out) if same else mine
        assert tree is not None, "as many words are left as in the gold tree"
        for lists, each in ((pruned, (tree, gold)), (whole, (mine, right) if same else (mine, gold))):
            for trees, one in zip(lists, each, strict=True):
                trees.append(one)
        kept.append(number)
    notes.append(
        f"{file.path}: {out:,} of {words:,} words are punctuation by their tags ({file.tag_set.about}), and left out"
    )
    if len(kept) < len(numbers):
        notes.append(f"{file.path}: {len(numbers) - len(kept):,} sentences have no other words, and are left out")
    return Pairs(kept, *pruned, whole, notes)


def _count(numbers: Sequence[int], file: TreeFile) -> str:
    return f"{len(numbers):,} of {len(file.trees):,} sentences"


def _first(file: TreeFile, numbers: Sequence[int]) -> str:
    tree = file.trees[numbers[0]]
    words = tree.words or ()
    return f"{file.unit} {tree.line} ({' '.join(words[:SHOWN])}{' ...' * (len(words) > SHOWN)})"
