"""Predictions of SyntaxGym's suites (Gauthier et al. 2020): formulas over the surprisal of regions in conditions."""

# In rising order of binding: | and &; < > = ; + and -; (region;%condition%), numbers, brackets.

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from app.common.errors import UserError

_TOKEN = re.compile(r"\s*(?:\(\s*(\*|\d+)\s*;\s*%([^%]+)%\s*\)|(\d+(?:\.\d+)?)|([()\[\]<>=&|+\-]))")
_OPENING = {"(": ")", "[": "]"}
_DEEPEST = 50  # brackets within brackets, more than any suite has
ALL = 0  # stands for all regions of a condition, "*" in a formula

Regions = Mapping[tuple[str, int], float]
Value = Callable[[Regions], float]


@dataclass(frozen=True, slots=True)
class Formula:
    """A prediction.

    Args:
        text: as it is written.
        terms: the conditions and regions that it names; region 0 stands for all.
        holds: whether it is true of surprisals by condition and region.
    """

    text: str
    terms: tuple[tuple[str, int], ...]
    holds: Callable[[Regions], bool]


def read_formula(text: str, where: str) -> Formula:
    """Read a formula such as `(5;%match%) < (5;%mismatch%) & ((*;%a%) - (*;%b%)) > 0`.

    Two sides are compared by <, > or =; comparisons are joined by & and |, which bind equally and from the left. Sides
    are sums and differences of regions and numbers, in any brackets.

    Args:
        text: the formula.
        where: it is, for the message.

    Raises:
        UserError: the text is not such a formula.
    """
    tokens = _tokens(text, where)
    reader = _Reader(text, where, tokens)
    value = reader.choice(0)
    if reader.at < len(tokens):
        raise reader.error()
    if not reader.compares:
        raise UserError(f"{where}: the formula {text!r} compares nothing; expected <, > or =")
    return Formula(text, tuple(dict.fromkeys(reader.terms)), lambda regions: bool(value(regions)))


def _tokens(text: str, where: str) -> list[re.Match[str]]:
    found, at = [], 0
    while text[at:].strip():
        token = _TOKEN.match(text, at)
        if token is None:
            raise UserError(f"{where}: the formula {text!r} cannot be read from {text[at:].strip()!r} on")
        found.append(token)
        at = token.end()
    return found


class _Reader:
    """Reads a formula by recursive descent; each part becomes a function of the surprisals."""

    def __init__(self, text: str, where: str, tokens: list[re.Match[str]]) -> None:
        self.text, self.where, self.tokens = text, where, tokens
        self.at, self.terms, self.compares = 0, list[tuple[str, int]](), False

    def choice(self, depth: int) -> Value:
        value = self.comparison(depth)
        for sign in self.signs("&|"):
            value = _joined(sign, value, self.comparison(depth))
        return value

    def comparison(self, depth: int) -> Value:
        value = self.sum(depth)
        for sign in self.signs("<>="):
            self.compares = True
            value = _joined(sign, value, self.sum(depth))
            break  # a < b < c is no comparison
        return value

    def sum(self, depth: int) -> Value:
        value = self.part(depth)
        for sign in self.signs("+-"):
            value = _joined(sign, value, self.part(depth))
        return value

    def part(self, depth: int) -> Value:
        if self.at == len(self.tokens) or depth > _DEEPEST:
            raise self.error()
        token = self.tokens[self.at]
        self.at += 1
        region, condition, number, sign = token.groups()
        if region is not None:
            key = condition, ALL if region == "*" else int(region)
            self.terms.append(key)
            return lambda regions: regions[key]
        if number is not None:
            constant = float(number)
            return lambda regions: constant
        closing = _OPENING.get(sign)
        if closing is None:
            self.at -= 1
            raise self.error()
        value = self.choice(depth + 1)
        if not any(True for _ in self.signs(closing)):
            raise self.error()
        return value

    def signs(self, wanted: str) -> Iterator[str]:
        """The signs that stand here, as long as they are among the wanted ones."""
        while self.at < len(self.tokens) and (sign := self.tokens[self.at][4]) and sign in wanted:
            self.at += 1
            yield sign

    def error(self) -> UserError:
        rest = self.text[self.tokens[self.at].start() :].strip() if self.at < len(self.tokens) else "its end"
        return UserError(f"{self.where}: the formula {self.text!r} cannot be read at {rest}")


_MEANING: dict[str, Callable[[float, float], float]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "=": lambda a, b: a == b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "&": lambda a, b: bool(a) and bool(b),
    "|": lambda a, b: bool(a) or bool(b),
}


def _joined(sign: str, left: Value, right: Value) -> Value:
    meaning = _MEANING[sign]
    return lambda regions: meaning(left(regions), right(regions))
