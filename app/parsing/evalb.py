"""The arithmetic of evalb (Sekine & Collins 1997), with the parameters that Collins used."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.parsing.brackets import brackets
from app.parsing.tree_formats.any_tree import AnyTree, Phrase

# Of COLLINS.prm: words with these tags, and brackets with these labels, are left out; ADVP and PRT are one label.
DELETED_TAGS = frozenset((",", ":", "``", "''", ".", "-NONE-"))
DELETED_LABELS = frozenset(("TOP", *DELETED_TAGS))
EQUAL_LABELS = {"PRT": "ADVP"}


@dataclass(frozen=True, slots=True)
class Evalb:
    """What evalb sums up, over all sentences.

    Args:
        sentences: number of them.
        matched: brackets in both trees; the same bracket counts as often as both trees have it.
        predicted: brackets of the predicted trees.
        gold: of the gold trees.
        complete: sentences whose brackets are all matched, on both sides.
        crossing: predicted brackets that cross a gold one.
        without_crossing: sentences without any of these.
    """

    sentences: int = 0
    matched: int = 0
    predicted: int = 0
    gold: int = 0
    complete: int = 0
    crossing: int = 0
    without_crossing: int = 0

    @property
    def recall(self) -> float:
        """Fraction of the gold brackets; 0 where there is none."""
        return self.matched / self.gold if self.gold else 0.0

    @property
    def precision(self) -> float:
        """Fraction of the predicted brackets; 0 where there is none."""
        return self.matched / self.predicted if self.predicted else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 0 where nothing is matched."""
        return 2 * self.matched / (self.predicted + self.gold) if self.matched else 0.0


def evalb(predicted: Sequence[AnyTree], gold: Sequence[AnyTree], *, labelled: bool) -> Evalb:
    """Compare trees as evalb does.

    Brackets over a single word count, and each of a unary chain, where both trees have tags; outermost brackets without
    a label do not. Where one has none, the different brackets over two words or more that are left are compared, which
    is what trees without tags can have. Words are left out by the gold tree's tags, so that trees of other tags, or of
    none, can be scored: evalb takes each tree's own.

    Args:
        predicted: over the words of `gold`, in the same order.
        gold: the trees to compare with.
        labelled: whether brackets match only with the same label, cut at "-" or "=".
    """
    sums = [0] * 6
    for tree, right in zip(predicted, gold, strict=True):
        deleted = [tag in DELETED_TAGS for tag in right.tags] or [False] * right.length
        tagged = bool(tree.tags and right.tags)
        ours, theirs = (Counter(_brackets(each, deleted, labelled, tagged)) for each in (tree, right))
        matched = (ours & theirs).total()
        spans = {(start, end) for _, start, end in theirs}
        crossing = sum(count for (_, start, end), count in ours.items() if _crosses(start, end, spans))
        found = matched, ours.total(), theirs.total(), matched == ours.total() == theirs.total(), crossing, not crossing
        sums = [total + one for total, one in zip(sums, found, strict=True)]
    return Evalb(len(gold), *sums)


def _brackets(tree: AnyTree, deleted: Sequence[bool], labelled: bool, tagged: bool) -> Iterable[Phrase]:
    before = [0]
    for out in deleted:
        before.append(before[-1] + (not out))
    if not tagged:
        left = {(before[start], before[end]) for start, end in brackets(tree.tree)}
        yield from (("", start, end) for start, end in left if end - start > 1)
        return
    for label, start, end in tree.phrases:
        short = label.partition("-")[0].partition("=")[0]
        if before[start] < before[end] and short not in DELETED_LABELS:
            yield EQUAL_LABELS.get(short, short) if labelled else "", before[start], before[end]


def _crosses(start: int, end: int, spans: Iterable[tuple[int, int]]) -> bool:
    return any(first < start < last < end or start < first < end < last for first, last in spans)
