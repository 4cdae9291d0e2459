"""Whether bracketed trees have labels, (S (NP (DT the) (NN cat))), or none, ((the cat) sat), by their content."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.parsing.trees import CLOSE, OPEN

FEATURES = "##"  # begins those of a label, NP##case=nom##
MANY = 20  # trees that do not all look labelled by chance
# Trees that hardly do: of the gold trees of three words or more of the Penn Treebank's sample, written without labels,
# 3 % could have some, of those of at most ten words 22 %.
SOME = 3
DAMAGED = 0.05  # most brackets that are wrong in labelled trees with mistakes in them


@dataclass(slots=True)
class Evidence:
    """What speaks for labels and what against them, in one or more trees; evidence of several files adds up.

    Args:
        trees: number of trees.
        sound: brackets that have the form of labelled ones: a label, then a word alone or brackets.
        unsound: brackets and words that labelled trees do not have.
        branching: trees with a bracket that has a word, then two brackets or more.
        capital_labels: words that begin a bracket and are in capital letters, each once.
        capitals: how many there are.
        others: words that begin a bracket and are not in capital letters.
        capital_words: the other words, in capital letters.
        other_words: and those that are not.
    """

    trees: int = 0
    sound: int = 0
    unsound: int = 0
    branching: int = 0
    capital_labels: set[str] = field(default_factory=set)
    capitals: int = 0
    others: int = 0
    capital_words: int = 0
    other_words: int = 0

    def add(self, other: "Evidence") -> None:
        """Add the evidence of other trees."""
        self.capital_labels |= other.capital_labels
        for name in ("trees", "sound", "unsound", "branching", "capitals", "others", "capital_words", "other_words"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def verdict(self) -> tuple[bool, bool]:
        """Whether the trees are labelled, and whether that is certain.

        Labels are in capital letters, where words are not; that is certain. Other labels are recognised by the form of
        the trees: every word has a bracket of its own and some phrase several children, which a few trees without
        labels may happen to have as well.
        """
        capital = 2 * self.capitals > self.capitals + self.others
        told = capital and len(self.capital_labels) > 1 and 2 * self.capital_words <= self._words
        if self.unsound:
            few = self.unsound <= DAMAGED * (self.sound + self.unsound)
            return told or (few and self.branching > max(SOME, self.unsound)), True
        certain = self.trees >= MANY or (told and self.branching > 0)
        if self.branching:
            return capital or self.trees >= SOME, certain
        # Right-branching trees over words; or labelled sentences of one word, which no treebank has alone.
        return told, certain or not capital

    @property
    def _words(self) -> int:
        return self.capital_words + self.other_words


def evidence(tokens: Iterable[str], *, cut: bool = False) -> Evidence:
    """What trees tell by their brackets and words.

    Args:
        tokens: of one tree or more; brackets too many and empty ones are passed over.
        cut: whether the last tree may be cut off.
    """
    found = Evidence()
    inside: list[list[str]] = []  # of each open bracket: its words, and OPEN for a bracket
    branches = False
    for token in tokens:
        if token == OPEN:
            if inside:
                inside[-1].append(OPEN)
            inside.append([])
        elif token != CLOSE:
            _note(found, token, label=bool(inside) and not inside[-1])
            if inside:
                inside[-1].append(token)
            else:  # a word alone is a tree without labels
                found.trees, found.unsound = found.trees + 1, found.unsound + 1
        elif inside:
            children = inside.pop()
            if children:
                branches |= _close(found, children, outermost=not inside)
            if not inside:
                found.trees, found.branching, branches = found.trees + 1, found.branching + branches, False
    if inside and not cut:
        found.trees += 1
    return found


def _note(found: Evidence, token: str, *, label: bool) -> None:
    """Count a word by its case; what has no letters tells nothing."""
    text = token.partition(FEATURES)[0] if label else token
    if text == text.upper() == text.lower() and text.isascii():
        return
    capital = text == text.upper() and text.isascii()
    if label:
        found.capitals, found.others = found.capitals + capital, found.others + (not capital)
        if capital:
            found.capital_labels.add(text)
    else:
        found.capital_words, found.other_words = found.capital_words + capital, found.other_words + (not capital)


def _close(found: Evidence, children: list[str], *, outermost: bool) -> bool:
    """Count a bracket, and say whether it has a label and several brackets."""
    brackets = children.count(OPEN)
    if children[0] == OPEN:
        sound = outermost and brackets == len(children)
    else:
        sound = len(children) > 1 and (brackets == len(children) - 1 or (brackets == 0 and len(children) == 2))
    found.sound, found.unsound = found.sound + sound, found.unsound + (not sound)
    return sound and children[0] != OPEN and brackets > 1
