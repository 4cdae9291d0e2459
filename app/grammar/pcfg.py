"""Probabilistic context-free grammars as values, and the checks that make one usable for sampling."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.common.errors import UserError

# Most rules per sentence, on average; more is useless, and close to what rounding cannot distinguish from infinity.
_MOST_RULES = 10_000


class Symbol(NamedTuple):
    """A category or a word; a category and a word with the same name are different symbols."""

    name: str
    is_word: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: a category and one of its right sides.

    Args:
        left: the category that the rule rewrites.
        right: one symbol or more.
        probability: of this right side given the category, in (0, 1].
        line: line number in the grammar's file, from 1.
    """

    left: str
    right: tuple[Symbol, ...]
    probability: float
    line: int


@dataclass(frozen=True, slots=True)
class PCFG:
    """A probabilistic context-free grammar.

    Args:
        start: the start symbol, a category.
        rules: the rules of each category in the order of the file; their probabilities sum to 1.
        source: the file's name, for error messages.
        sha256: hex checksum of the file.
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
        """The distinct words, in the order of the file."""
        return tuple(dict.fromkeys(symbol.name for rule in self for symbol in rule.right if symbol.is_word))


def check(grammar: PCFG) -> None:
    """Check that every category has rules, is reachable, and ends in words after finitely many rules on average.

    Raises:
        UserError: one does not; names the category and the line of its first rule or use.
    """
    _check_defined(grammar)
    _check_reached(grammar)
    _check_ends(grammar)
    _check_finite(grammar)


def _check_defined(grammar: PCFG) -> None:
    if grammar.start not in grammar.rules:
        raise UserError(f"{grammar.source}: the start {grammar.start} has no rules; add some")
    for rule in grammar:
        for name, is_word in rule.right:
            if not is_word and name not in grammar.rules:
                raise UserError(
                    f"{grammar.source}, line {rule.line}: {name} has no rules; add some, or quote it if it is a word"
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
                grammar, left, f"is in no sentence of {grammar.start}", "use it in a rule, or remove its rules"
            )


def _check_ends(grammar: PCFG) -> None:
    """A category ends if one of its rules has only words and categories that end."""
    ending: set[str] = set()
    size = -1
    while len(ending) > size:
        size = len(ending)
        ending |= {
            rule.left for rule in grammar if all(symbol.is_word or symbol.name in ending for symbol in rule.right)
        }
    for left in grammar.rules:
        if left not in ending:
            raise _refused(grammar, left, "never ends in words", "add a rule that does not lead back to it")


def _check_finite(grammar: PCFG) -> None:
    """Solve x = M x + 1, where x is the expected number of rules that each category takes.

    M[A, B] is the expected number of B in a rule of A. A solution x >= 1 exists exactly where the spectral radius of M
    is below 1 (Perron and Frobenius).
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
            f"recurs too often: sentences take more than {_MOST_RULES:,} rules on average, or never end",
            "lower the probability of its recursive rules",
        )


def _where_it_grows(made: npt.NDArray[np.float64]) -> int:
    """The category with the greatest share in the growth, by M's dominant left and right eigenvectors."""
    growth = np.ones(len(made))
    for matrix in (made, made.T):
        values, vectors = np.linalg.eig(matrix)
        growth *= np.abs(vectors[:, values.real.argmax()])
    return int(growth.argmax())


def _refused(grammar: PCFG, left: str, reason: str, remedy: str) -> UserError:
    return UserError(f"{grammar.source}, line {grammar.rules[left][0].line}: {left} {reason}; {remedy}")
