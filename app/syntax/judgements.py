"""Which of two sentences a model finds more probable, counted."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from app.syntax.stimuli import COMPARISONS, Stimuli

COUNTS = ("items", "right", "ties", "unknown", "right_known")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How often the better sentence of two is the more probable one.

    Args:
        items: how many were compared.
        right: of those the better sentence is more probable. Equal ones are wrong, as in the authors' scripts.
        ties: how many are equal.
        unknown: how many hold a word that the model does not know.
        right_known: of those without such a word, how many are right.
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
        """Share of the items that are right."""
        return self.right / self.items if self.items else None

    @property
    def accuracy_known(self) -> float | None:
        """The same of the items whose words the model all knows; None where there is none."""
        return self.right_known / (self.items - self.unknown) if self.items > self.unknown else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The tally of one condition.

    Args:
        row: of the table that it belongs to.
        term: "short", "long" or "".
        case: of the condition.
        condition: its name.
        comparison: which two sentences of a triple; "" for pairs.
        tally: what was counted.
    """

    row: str
    term: str
    case: str
    condition: str
    comparison: str
    tally: Tally


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: the tallies of all its conditions together, as Table 3 of Shen et al. (2019) pools them."""

    name: str
    term: str
    tally: Tally


def judge(stimuli: Stimuli, log_probability: Mapping[str, float], unknown: Set[str]) -> list[Judgement]:
    """Compare the sentences of all items.

    Args:
        stimuli: whose.
        log_probability: of every sentence.
        unknown: the sentences that hold a word which the model does not know.

    Returns:
        One judgement for each comparison of each condition, in the order of the rows of the table.
    """
    items: dict[str, dict[str, list[tuple[str, ...]]]] = defaultdict(dict)
    for case, condition, sentences in stimuli.items:
        items[case].setdefault(condition, []).append(sentences)
    return [
        Judgement(
            row=name,
            term=construction.term,
            case=case,
            condition=condition,
            comparison=comparison,
            tally=_count(of_condition, better, worse, log_probability, unknown),
        )
        for construction in stimuli.constructions
        for (name, comparison), (_, better, worse) in zip(
            construction.rows(), COMPARISONS[construction.sentences], strict=True
        )
        for case in construction.cases
        for condition, of_condition in items[case].items()
    ]


def _count(
    items: Sequence[tuple[str, ...]],
    better: int,
    worse: int,
    log_probability: Mapping[str, float],
    unknown: Set[str],
) -> Tally:
    """Compare two sentences of each item, by their places in it."""
    counts = [0] * len(COUNTS)
    for sentences in items:
        good, bad = log_probability[sentences[better]], log_probability[sentences[worse]]
        strange = not unknown.isdisjoint(sentences)
        found = (True, good > bad, good == bad, strange, good > bad and not strange)
        counts = [count + one for count, one in zip(counts, found, strict=True)]
    return Tally(**dict(zip(COUNTS, counts, strict=True)))


def pool(judgements: Iterable[Judgement]) -> list[Row]:
    """Rows of the table, each with all of its conditions, in the order in which they come."""
    rows: dict[tuple[str, str], Tally] = {}
    for judgement in judgements:
        key = judgement.row, judgement.term
        rows[key] = rows.get(key, Tally()) + judgement.tally
    return [Row(name, term, tally) for (name, term), tally in rows.items()]
