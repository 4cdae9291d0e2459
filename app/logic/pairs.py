"""Two formulas and their relation: one line of the published files, one example to learn from."""

import re
from typing import NamedTuple

from app.logic.formulas import Formula

MOST_OPERATORS = 12  # pairs with more are counted among those with so many

# What the training set of a systematic split lacks, in either formula (Shen et al. 2019, "Ordered Memory").
SYSTEMATIC = {
    "A": re.compile(r"\( and \( not a \) \)"),
    "B": re.compile(r"\( and \( not "),
    "C": re.compile(r"\( (?:and|or) \( not "),
}


class Pair(NamedTuple):
    """An example.

    Args:
        relation: of the two formulas, one of `RELATIONS`.
        left: a formula.
        right: another one, or the same.
    """

    relation: str
    left: Formula
    right: Formula

    @property
    def line(self) -> str:
        """As the published files have it, without the newline."""
        return f"{self.relation}\t{self.left.text}\t{self.right.text}"

    @property
    def operators(self) -> int:
        """Those of the formula that has more of them, at most `MOST_OPERATORS`: the number of its bin."""
        return min(max(self.left.operators, self.right.operators), MOST_OPERATORS)

    def matches(self, split: str) -> bool:
        """Whether a formula holds the pattern that a systematic split takes out of the training set.

        Args:
            split: one of `SYSTEMATIC`.
        """
        pattern = SYSTEMATIC[split]
        return pattern.search(self.left.text) is not None or pattern.search(self.right.text) is not None
