"""Prepares the sentences of a treebank for scoring, and counts what is left out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.common.spelling import Spelling
from app.parsing.discontinuous import DiscontinuousTree
from app.parsing.gold import gold_sentence
from app.parsing.penn_treebank import tags
from app.parsing.tag_sets import TagSet, named
from app.parsing.treebank_formats import TreebankTree
from app.parsing.trees import GoldSentence


def tag_counts(tree: TreebankTree) -> Counter[str]:
    """Number of words of a tree by tag."""
    return Counter(tag for tag, _ in tree.words) if isinstance(tree, DiscontinuousTree) else tags(tree)


@dataclass
class Preparation:
    """Prepares trees, and counts what is left out.

    Args:
        tag_set: decides what is a word.
        spelling: of the words.
        punctuation: whether punctuation is kept.
    """

    tag_set: TagSet
    spelling: Spelling
    punctuation: bool
    _counts: dict[str, Counter[str]] = field(default_factory=dict)  # by kind: words by tag
    _phrases: int = 0
    _gaps: int = 0

    def sentences(self, trees: Iterable[TreebankTree]) -> list[GoldSentence]:
        """The sentences of trees; those without words are left out."""
        found = (self._sentence(tree) for tree in trees)
        return [sentence for sentence in found if sentence is not None]

    def _sentence(self, tree: TreebankTree) -> GoldSentence | None:
        if not isinstance(tree, DiscontinuousTree):
            return gold_sentence(tree, is_word=self._is_word, spelling=self.spelling)
        node, phrases, gaps = tree.continuous(self._is_word)
        self._phrases += phrases
        self._gaps += gaps
        return node and gold_sentence(node, is_word=lambda *_: True, spelling=self.spelling)

    def _is_word(self, tag: str, word: str) -> bool:
        kind = self.tag_set.kind(tag, word)
        self._counts.setdefault(kind, Counter())[tag] += 1
        return kind == "word" or (self.punctuation if kind == "punctuation" else kind == "other" and self._keeps_others)

    @property
    def _keeps_others(self) -> bool:
        return self.tag_set.keeps_others

    def notice(self, *, dependencies: bool, as_in_paper: bool = False) -> str:
        """A phrase about what was left out; empty if nothing is to be told.

        Args:
            dependencies: whether phrases are subtrees of dependencies.
            as_in_paper: whether it goes without saying that punctuation is left out.
        """
        phrases = []
        words = sum(counts.total() for kind, counts in self._counts.items() if kind != "empty")
        signs = self._counts.get("punctuation")
        if signs and not as_in_paper:
            done = "kept" if self.punctuation else "left out"
            phrases.append(f"{_share(signs, words)} {done} as punctuation ({named(signs)})")
        if (others := self._counts.get("other")) and self.tag_set.words:
            of_whom = f"{self.tag_set.about} does not have their tags: {named(others)}"
            phrases.append(
                f"{_share(others, words)} kept, although {of_whom}"
                if self._keeps_others
                else f"{_share(others, words)} left out, because {of_whom}"
            )
        if self._gaps:
            which = "subtrees" if dependencies else "phrases"
            phrases.append(f"{self._gaps:,} of {self._phrases:,} {which} have gaps and are left out")
        return "; ".join(phrases)


def _share(counts: Mapping[str, int], words: int) -> str:
    some = sum(counts.values())
    return f"{some:,} of {words:,} words ({some / words:.1%}) are"
