"""Two formulas and their relation: one line of the published files, one training example."""

import re
from typing import NamedTuple

from app.logic.formulas import Formula

MOST_OPERATORS = 12  # pairs with more operators count as having this many

# The patterns that a systematic split excludes from training, in either formula (Shen et al. 2019, "Ordered Memory").
SYSTEMATIC = {
    "A": re.compile(r"\( and \( not a \) \)"),
    "B": re.compile(r"\( and \( not "),
    "C": re.compile(r"\( (?:and|or) \( not "),
}


class Pair(NamedTuple):
    """An example.

    Args:
        relation: between the two formulas, one of `RELATIONS`.
        left: the first formula.
        right: the second formula; may equal the first.
    """

    relation: str
    left: Formula
    right: Formula

    @property
    def line(self) -> str:
        """The line of the published files, without the newline."""
        return f"{self.relation}\t{self.left.text}\t{self.right.text}"

    @property
    def operators(self) -> int:
        """The larger of the formulas' numbers of operators, at most `MOST_OPERATORS`; this is the pair's bin."""
        return min(max(self.left.operators, self.right.operators), MOST_OPERATORS)

    def matches(self, split: str) -> bool:
        """Whether one of the formulas contains the pattern that a systematic split excludes from training.

        Args:
            split: one of `SYSTEMATIC`.
        """
        pattern = SYSTEMATIC[split]
        return pattern.search(self.left.text) is not None or pattern.search(self.right.text) is not None
