"""Formulas over six variables: their text in the published format, and the worlds in which they are true.

A world assigns true or false to each variable, so there are 64 worlds. A set of worlds is an integer of 64 bits, bit w
for world w; in world w, variable v is true where bit v of w is set.
"""

from typing import NamedTuple, TypeAlias

from app.common.errors import UserError

VARIABLES = ("a", "b", "c", "d", "e", "f")
WORLDS = 1 << len(VARIABLES)
EVERYWHERE = (1 << WORLDS) - 1  # all worlds, where a tautology is true

# In the order of the ON-LSTM authors' numbers; the padding comes after them.
TOKENS = ("(", ")", *VARIABLES, "or", "and", "not")
PADDING = len(TOKENS)
_NUMBERS = {token: number for number, token in enumerate(TOKENS)}


class Formula(NamedTuple):
    """A formula.

    Args:
        text: in the published format: `a`, `( not a )`, `( a ( and b ) )`, tokens separated by spaces.
        worlds: the set of worlds in which it is true.
        operators: its number of and, or, not.
    """

    text: str
    worlds: int
    operators: int


_VARIABLES = {
    name: Formula(name, sum(1 << world for world in range(WORLDS) if world >> place & 1), 0)
    for place, name in enumerate(VARIABLES)
}


def variable(name: str) -> Formula:
    """The formula that is one of `VARIABLES`."""
    return _VARIABLES[name]


def negation(formula: Formula) -> Formula:
    """`( not x )`."""
    return Formula(f"( not {formula.text} )", EVERYWHERE ^ formula.worlds, formula.operators + 1)


def conjunction(left: Formula, right: Formula) -> Formula:
    """`( x ( and y ) )`."""
    return Formula(
        f"( {left.text} ( and {right.text} ) )", left.worlds & right.worlds, left.operators + right.operators + 1
    )


def disjunction(left: Formula, right: Formula) -> Formula:
    """`( x ( or y ) )`."""
    return Formula(
        f"( {left.text} ( or {right.text} ) )", left.worlds | right.worlds, left.operators + right.operators + 1
    )


BINARY = {"and": conjunction, "or": disjunction}


# An item in brackets: a formula, an operator, or the inner brackets of `( x ( and y ) )`.
_Part: TypeAlias = Formula | str | tuple[str, Formula]


def parse(text: str) -> Formula:
    """Parse a formula; its `text` is the given one with single spaces.

    Args:
        text: in the published format.

    Raises:
        UserError: not a formula; names the first wrong token where there is one.
    """
    stack: list[list[_Part]] = [[]]  # the items of each open bracket; the first entry is for the whole text
    for place, token in enumerate(text.split(), start=1):
        if token in _VARIABLES:
            stack[-1].append(_VARIABLES[token])
        elif token == "(":
            stack.append([])
        elif token == ")":
            closed = _close(stack.pop()) if len(stack) > 1 else None
            if closed is None:
                raise UserError(f"token {place} of {text!r} closes no formula; {_EXPECTED}")
            stack[-1].append(closed)
        elif token in _NUMBERS:
            stack[-1].append(token)
        else:
            raise UserError(f"token {place} of {text!r} is {token!r}; expected one of {' '.join(TOKENS)}")
    match stack:
        case [[Formula() as formula]]:
            return formula
    raise UserError(f"{text!r} is not one formula; {_EXPECTED}")


_EXPECTED = "expected such as a, ( not a ), ( a ( and b ) ), with a space between tokens"


def _close(parts: list[_Part]) -> _Part | None:
    """The value of a bracket with these items; None if they are not valid."""
    match parts:
        case ["not", Formula() as formula]:
            return negation(formula)
        case ["and" | "or" as operator, Formula() as right]:
            return operator, right
        case [Formula() as left, ("and" | "or" as operator, Formula() as right)]:
            return BINARY[operator](left, right)
    return None


def encode(formula: Formula) -> bytes:
    """The numbers of a formula's tokens in `TOKENS`, one byte each."""
    return bytes(map(_NUMBERS.__getitem__, formula.text.split()))
