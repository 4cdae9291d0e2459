"""McNemar's exact test: whether two models answer the same items rightly equally often."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.common.errors import UserError
from app.syntax.condition_scores import ConditionScore

ALL = "all"  # the row of all items


@dataclass(frozen=True, slots=True)
class McNemar:
    """The items of a row of the table that two models answer differently.

    Args:
        name: the row's name.
        term: as in `SyntaxRow`.
        items: number of items.
        first: items that only the first model has right.
        second: items that only the second model has right.
    """

    name: str
    term: str
    items: int
    first: int
    second: int

    @property
    def p(self) -> float:
        """The two-sided probability, by the binomial distribution, of a split as uneven as this one, or more.

        Exact for any number of items (McNemar 1947, by the binomial test); 1 where the models never differ.
        """
        from scipy.stats import binomtest  # takes a second to import

        differing = self.first + self.second
        return float(binomtest(self.first, differing, 0.5).pvalue) if differing else 1.0


def mcnemar(first: Sequence[ConditionScore], second: Sequence[ConditionScore]) -> list[McNemar]:
    """Compare two models row by row, and over all items.

    Args:
        first: the scores of the first model, with the outcome of every item.
        second: of the second model, of the same items.

    Returns:
        One for each row of the table, in their order, and one for all items.

    Raises:
        UserError: they are not of the same items.
    """
    ours, theirs = _by_condition(first), _by_condition(second)
    if {key: score.sentences for key, score in ours.items()} != {key: score.sentences for key, score in theirs.items()}:
        raise UserError("the models were scored on different sentences; score both on the same")
    counts: dict[tuple[str, str], list[int]] = {}
    for key, score in ours.items():
        row = counts.setdefault((score.row, score.term), [0, 0, 0])
        for mine, other in zip(score.outcomes, theirs[key].outcomes, strict=True):
            row[0] += 1
            row[1] += mine > other
            row[2] += mine < other
    rows = [McNemar(name, term, *numbers) for (name, term), numbers in counts.items()]
    return [*rows, McNemar(ALL, "", *(sum(numbers) for numbers in zip(*counts.values(), strict=True)))]


def _by_condition(scores: Iterable[ConditionScore]) -> Mapping[tuple[str, ...], ConditionScore]:
    return {(score.row, score.term, score.case, score.condition, score.comparison): score for score in scores}
