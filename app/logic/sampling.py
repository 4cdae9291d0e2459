"""Samples pairs of formulas as Bowman, Manning & Potts (2015) do.

The constants are those of the generator published with the data: four of the six variables in each pair, halves of a
formula at most half as long, and rejection of formulas that are always or never true.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, islice
from random import Random

from app.logic.formulas import BINARY, EVERYWHERE, VARIABLES, Formula, negation, variable
from app.logic.pairs import MOST_OPERATORS, Pair
from app.logic.relations import relation

DRAWS = 500_000  # pairs sampled for the published set
LONGEST = 12  # the length a formula is sampled with; each of its halves gets half of it, rounded down
SHORTEST = 2  # with less length, a variable is sampled
OPERATORS = ("and", "or", "and", "or", None, None, None, None, None)  # None for a variable
NEGATED = 1 / 3
TRAIN_PERCENT = 85  # of each bin: its first pairs

_UNIVERSES = tuple(tuple(map(variable, names)) for names in combinations(VARIABLES, 4))


def sample_pairs(seed: int) -> Iterator[Pair]:
    """Sample pairs without end; pairs repeat, short ones often.

    Args:
        seed: of the random numbers; the first n pairs are the same however many are taken.
    """
    uniform = Random(seed).random  # gives the same numbers in every version of Python
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


def sample_bins(seed: int, draws: int = DRAWS) -> list[list[Pair]]:
    """Sample pairs, remove duplicates and group them by their number of operators.

    Args:
        seed: of the random numbers.
        draws: number of pairs to sample; fewer are left without the duplicates.

    Returns:
        `MOST_OPERATORS` + 1 bins of pairs, each in the order of first occurrence.
    """
    bins: list[list[Pair]] = [[] for _ in range(MOST_OPERATORS + 1)]
    for pair in dict.fromkeys(islice(sample_pairs(seed), draws)):
        bins[pair.operators].append(pair)
    return bins


def split(bin: Sequence[Pair]) -> tuple[Sequence[Pair], Sequence[Pair]]:
    """Split a bin into its training and its test part."""
    trained = TRAIN_PERCENT * len(bin) // 100
    return bin[:trained], bin[trained:]
