"""What a probabilistic context-free grammar is, and when one makes sense."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.common.errors import UserError

_MOST_RULES = (
    10_000  # per sentence, on average; more is of no use, and close to what rounding cannot tell from infinity
)


class Symbol(NamedTuple):
    """A category or a word; a category and a word of the same name are two symbols."""

    name: str
    is_word: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One alternative of a left side.

    Args:
        left: the category that it rewrites.
        right: one symbol or more.
        probability: given the left side, in (0, 1].
        line: of its file, from 1.
    """

    left: str
    right: tuple[Symbol, ...]
    probability: float
    line: int


@dataclass(frozen=True, slots=True)
class PCFG:
    """A probabilistic context-free grammar.

    Args:
        start: the category that every sentence is.
        rules: the alternatives of each category, in the order of the file; their probabilities sum to 1.
        source: the file's name, for messages.
        sha256: of the file, hex.
    """

    start: str
    rules: Mapping[str, tuple[Rule, ...]]
    source: str
    sha256: str

    def __iter__(self) -> Iterator[Rule]:
        for alternatives in self.rules.values():
            yield from alternatives

    @property
    def words(self) -> tuple[str, ...]:
        """Every word once, in the order of the file."""
        return tuple(dict.fromkeys(symbol.name for rule in self for symbol in rule.right if symbol.is_word))


def check(grammar: PCFG) -> None:
    """Check that every category has rules, is reached, comes to an end, and does so soon enough.

    Raises:
        UserError: it is not so; names the category and the line of its first rule or use.
    """
    _check_defined(grammar)
    _check_reached(grammar)
    _check_ends(grammar)
    _check_finite(grammar)


def _check_defined(grammar: PCFG) -> None:
    if grammar.start not in grammar.rules:
        raise UserError(f"{grammar.source}: the start {grammar.start} has no rules; give it some")
    for rule in grammar:
        for name, is_word in rule.right:
            if not is_word and name not in grammar.rules:
                raise UserError(
                    f"{grammar.source}, line {rule.line}: {name} has no rules; "
                    "give it some, or quote it if it is meant as a word"
                )


def _check_reached(grammar: PCFG) -> None:
    reached, open_categories = {grammar.start}, [grammar.start]
    while open_categories:
        for rule in grammar.rules[open_categories.pop()]:
            new = {symbol.name for symbol in rule.right if not symbol.is_word} - reached
            reached |= new
            open_categories += new
    for left in grammar.rules:
        if left not in reached:
            raise _refused(
                grammar, left, f"is in no sentence of {grammar.start}", "use it in a rule, or remove its own"
            )


def _check_ends(grammar: PCFG) -> None:
    """Whatever has a rule of words and of categories that end, ends."""
    ending: set[str] = set()
    size = -1
    while len(ending) > size:
        size = len(ending)
        ending |= {
            rule.left for rule in grammar if all(symbol.is_word or symbol.name in ending for symbol in rule.right)
        }
    for left in grammar.rules:
        if left not in ending:
            raise _refused(grammar, left, "never comes to an end", "give it a rule that does not lead back to it")


def _check_finite(grammar: PCFG) -> None:
    """How many rules each category takes on average is the x with x = M x + 1.

    M[A, B] is how many B a rule of A makes on average. Where its spectral radius is below 1, there is such an x >= 1;
    where it is not, there is none (Perron and Frobenius).
    """
    number = {category: index for index, category in enumerate(grammar.rules)}
    made = np.zeros((len(number), len(number)))
    for rule in grammar:
        for name, is_word in rule.right:
            if not is_word:
                made[number[rule.left], number[name]] += rule.probability
    try:
        rules = np.linalg.solve(np.eye(len(made)) - made, np.ones(len(made)))
    except np.linalg.LinAlgError:
        rules = np.full(len(made), np.inf)
    if not ((rules > 0.99) & (rules < _MOST_RULES)).all():
        raise _refused(
            grammar,
            list(number)[_where_it_grows(made)],
            f"comes back too often: sentences take more than {_MOST_RULES:,} rules on average, or never end",
            "lower the probability of its recursive rules",
        )


def _where_it_grows(made: npt.NDArray[np.float64]) -> int:
    """The category that most leads to the growth and most comes from it, by the main eigenvectors of both sides."""
    growth = np.ones(len(made))
    for matrix in (made, made.T):
        values, vectors = np.linalg.eig(matrix)
        growth *= np.abs(vectors[:, values.real.argmax()])
    return int(growth.argmax())


def _refused(grammar: PCFG, left: str, reason: str, remedy: str) -> UserError:
    return UserError(f"{grammar.source}, line {grammar.rules[left][0].line}: {left} {reason}; {remedy}")
