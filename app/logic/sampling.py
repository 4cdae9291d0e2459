"""Pairs of formulas as Bowman, Manning & Potts (2015) draw them.

The numbers are those of the generator that comes with the data: four of the six variables for each pair; formulas
whose halves are at most half as long; and the rejection of formulas that are always or never true.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, islice
from random import Random

from app.logic.formulas import BINARY, EVERYWHERE, VARIABLES, Formula, negation, variable
from app.logic.pairs import MOST_OPERATORS, Pair
from app.logic.relations import relation

DRAWS = 500_000  # of the published set
LONGEST = 12  # the length that a formula is drawn for; its halves get half of it each, rounded down
SHORTEST = 2  # what is drawn for less is a variable
OPERATORS = ("and", "or", "and", "or", None, None, None, None, None)  # None for a variable
NEGATED = 1 / 3
TRAIN_PERCENT = 85  # of a bin, its first pairs

_UNIVERSES = tuple(tuple(map(variable, names)) for names in combinations(VARIABLES, 4))


def draw(seed: int) -> Iterator[Pair]:
    """Draw one pair after the other, without end; pairs come again and again, the short ones often.

    Args:
        seed: what the pairs depend on; the first n are the same however many are taken.
    """
    uniform = Random(seed).random  # the same numbers in every version of Python
    while True:
        universe = _UNIVERSES[int(len(_UNIVERSES) * uniform())]
        left, right = _formula(universe, LONGEST, uniform), _formula(universe, LONGEST, uniform)
        if 0 < left.worlds < EVERYWHERE and 0 < right.worlds < EVERYWHERE:
            yield Pair(relation(left.worlds, right.worlds), left, right)


def _formula(universe: Sequence[Formula], length: int, uniform: Callable[[], float]) -> Formula:
    operator = OPERATORS[int(len(OPERATORS) * uniform())]
    if operator is None or length < SHORTEST:
        drawn = universe[int(len(universe) * uniform())]
    else:
        left = _formula(universe, length // 2, uniform)
        drawn = BINARY[operator](left, _formula(universe, length // 2, uniform))
    return negation(drawn) if uniform() < NEGATED else drawn


def draw_bins(seed: int, draws: int = DRAWS) -> list[list[Pair]]:
    """Draw some pairs and sort them by their number of operators, each distinct pair once.

    Args:
        seed: what the pairs depend on.
        draws: how many to draw; fewer are left.

    Returns:
        `MOST_OPERATORS` + 1 bins of pairs, in the order of their first draw.
    """
    bins: list[list[Pair]] = [[] for _ in range(MOST_OPERATORS + 1)]
    for pair in dict.fromkeys(islice(draw(seed), draws)):
        bins[pair.operators].append(pair)
    return bins


def split(bin: Sequence[Pair]) -> tuple[Sequence[Pair], Sequence[Pair]]:
    """The part of a bin to train on and the part to test on."""
    trained = TRAIN_PERCENT * len(bin) // 100
    return bin[:trained], bin[trained:]
