"""The artificial language of Bowman, Potts & Manning (2015): propositional formulas and the relation between two."""

from app.logic.formulas import PADDING, TOKENS, Formula, encode, parse
from app.logic.pairs import MOST_OPERATORS, Pair
from app.logic.reading import read_pairs
from app.logic.relations import RELATIONS, relation
from app.logic.sampling import sample_bins, sample_pairs, split

__all__ = [
    "MOST_OPERATORS",
    "PADDING",
    "RELATIONS",
    "TOKENS",
    "Formula",
    "Pair",
    "encode",
    "parse",
    "read_pairs",
    "relation",
    "sample_bins",
    "sample_pairs",
    "split",
]
