"""Counts how often a model gives the better one of two sentences the higher probability."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from math import sqrt

from app.syntax.stimuli import COMPARISONS, Stimuli

Z = 1.959963984540054  # the standard normal distribution's quantile of 0.975
COUNTS = ("items", "right", "ties", "unknown", "right_known")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of compared items.

    Args:
        items: number of items compared.
        right: items whose better sentence is more probable; ties count as wrong, as in the authors' scripts.
        ties: items whose sentences are equally probable.
        unknown: items with a word that is not in the model's vocabulary.
        right_known: right items without such a word.
    """

    items: int = 0
    right: int = 0
    ties: int = 0
    unknown: int = 0
    right_known: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in COUNTS})

    @property
    def accuracy(self) -> float | None:
        """Fraction of the items that are right; None without items."""
        return self.right / self.items if self.items else None

    @property
    def accuracy_known(self) -> float | None:
        """Fraction of the items without unknown words that are right; None if there are no such items."""
        return self.right_known / (self.items - self.unknown) if self.items > self.unknown else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the accuracy by Wilson (1927), as if items were independent; None without items."""
        return wilson(self.right, self.items) if self.items else None


def wilson(right: int, items: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927).

    Args:
        right: items that are right.
        items: number of items, 1 or more.
    """
    share, over = right / items, Z * Z / items
    middle = (share + over / 2) / (1 + over)
    half = Z / (1 + over) * sqrt((share * (1 - share) + over / 4) / items)
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionScore:
    """The counts of one condition.

    Args:
        row: the row of the table that it is part of.
        term: "short", "long" or "".
        case: the condition's case.
        condition: the condition's name.
        comparison: which two sentences of a triple are compared; "" for pairs.
        tally: the counts.
        outcomes: of each item "1" where it is right and "0" where not; empty where this is not known.
        sentences: a digest of the items' sentences; empty where this is not known.
    """

    row: str
    term: str
    case: str
    condition: str
    comparison: str
    tally: Tally
    outcomes: str = ""
    sentences: str = ""


@dataclass(frozen=True, slots=True)
class SyntaxRow:
    """A row of the table: the summed counts of all its conditions, as in Table 3 of Shen et al. (2019)."""

    name: str
    term: str
    tally: Tally


def score_conditions(stimuli: Stimuli, log_probability: Mapping[str, float], unknown: Set[str]) -> list[ConditionScore]:
    """Compare the sentences of all items.

    Args:
        stimuli: the items.
        log_probability: log probability of every sentence.
        unknown: the sentences with a word that is not in the model's vocabulary.

    Returns:
        One score for each comparison of each condition, in the order of the table's rows.
    """
    items: dict[str, dict[str, list[tuple[str, ...]]]] = defaultdict(dict)
    for case, condition, sentences in stimuli.items:
        items[case].setdefault(condition, []).append(sentences)
    return [
        ConditionScore(
            row=name,
            term=construction.term,
            case=case,
            condition=condition,
            comparison=comparison,
            tally=_count(of_condition, better, worse, log_probability, unknown),
            outcomes="".join(
                str(int(log_probability[each[better]] > log_probability[each[worse]])) for each in of_condition
            ),
            sentences=_digest(of_condition),
        )
        for construction in stimuli.constructions
        for (name, comparison), (_, better, worse) in zip(
            construction.rows(), COMPARISONS[construction.sentences], strict=True
        )
        for case in construction.cases
        for condition, of_condition in items[case].items()
    ]


def _digest(items: Sequence[tuple[str, ...]]) -> str:
    """The first half of the SHA-256 of sentences."""
    return hashlib.sha256("\n".join("\t".join(item) for item in items).encode()).hexdigest()[:32]


def _count(
    items: Sequence[tuple[str, ...]],
    better: int,
    worse: int,
    log_probability: Mapping[str, float],
    unknown: Set[str],
) -> Tally:
    """Compare two sentences of each item, given their indices in it."""
    counts = [0] * len(COUNTS)
    for sentences in items:
        good, bad = log_probability[sentences[better]], log_probability[sentences[worse]]
        has_unknown = not unknown.isdisjoint(sentences)
        found = (True, good > bad, good == bad, has_unknown, good > bad and not has_unknown)
        counts = [count + one for count, one in zip(counts, found, strict=True)]
    return Tally(**dict(zip(COUNTS, counts, strict=True)))


def pool(scores: Iterable[ConditionScore]) -> list[SyntaxRow]:
    """Sum the counts of all conditions of each row; rows are in the order of their first condition."""
    rows: dict[tuple[str, str], Tally] = {}
    for score in scores:
        key = score.row, score.term
        rows[key] = rows.get(key, Tally()) + score.tally
    return [SyntaxRow(name, term, tally) for (name, term), tally in rows.items()]
