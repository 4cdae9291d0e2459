"""Which sentence of one file is which of another: by their words, or by their order."""

import re
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.common.errors import UserError

Words = tuple[str, ...]
_NUMBER, _NUMBERS = re.compile("[0-9][0-9.,]*"), re.compile("(?<![a-z])n(?:[.,]n)*[.,]*(?![a-z])")


def _same(words: Words) -> Words:
    return words


def _lower(words: Words) -> Words:
    """Without upper case, every number as n: 1.5 and, as others have replaced it already, N and N.N."""
    return tuple(_NUMBERS.sub("n", _NUMBER.sub("n", word.lower())) for word in words)


# How words are compared; "order" compares none.
BY_WORDS: dict[str, Callable[[Words], Words]] = {"words": _same, "lower": _lower}
ORDER = "order"


@dataclass(frozen=True, slots=True)
class Matched:
    """The sentences that two files share, and those that they do not.

    Args:
        pairs: of each shared sentence, its numbers in both files from 0, in the order of the second.
        only_first: numbers of those that the second file does not have.
        only_second: numbers of those that the first file does not have.
    """

    pairs: list[tuple[int, int]]
    only_first: list[int]
    only_second: list[int]


def match_words(first: Sequence[Words], second: Sequence[Words], how: str = "words") -> Matched:
    """Match sentences with the same words; of several with the same, the first with the first, and so on.

    Args:
        first: the sentences of a file.
        second: of the other.
        how: one of `BY_WORDS`.

    Raises:
        UserError: there is no such way.
    """
    if how not in BY_WORDS:
        raise UserError(f"--match is {how!r}; choose from {', '.join([*BY_WORDS, ORDER])}")
    spell = BY_WORDS[how]
    waiting: dict[Words, deque[int]] = defaultdict(deque)
    for number, words in enumerate(first):
        waiting[spell(words)].append(number)
    pairs, only_second = [], []
    for number, words in enumerate(second):
        same = waiting.get(spell(words))
        if same:
            pairs.append((same.popleft(), number))
        else:
            only_second.append(number)
    return Matched(pairs, sorted(number for left in waiting.values() for number in left), only_second)


def difference(ours: Sequence[str], theirs: Sequence[str]) -> str:
    """What differs between two sentences, in a few words."""
    for place, (mine, other) in enumerate(zip(ours, theirs, strict=False), start=1):
        if mine != other:
            return f"word {place} is {mine!r} here and {other!r} there"
    return f"it has {len(ours)} words here and {len(theirs)} there"
