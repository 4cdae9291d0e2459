"""Reads the published files: one pair per line, a relation and two formulas separated by tabs."""

from functools import lru_cache
from pathlib import Path

from app.common.errors import UserError
from app.common.text_files import read_lines
from app.logic.formulas import EVERYWHERE, Formula, parse
from app.logic.pairs import Pair
from app.logic.relations import RELATIONS, relation

_parse = lru_cache(maxsize=1 << 16)(parse)  # short formulas occur in many pairs


def read_pairs(path: Path) -> list[Pair]:
    """Read a file of pairs.

    Args:
        path: such as `train3`.

    Returns:
        The file's pairs, in order.

    Raises:
        UserError: the file is missing, empty or not UTF-8; or a line is not a pair, or names a relation that does not
            hold between its formulas.
    """
    pairs = []
    for number, line in enumerate(read_lines(path), start=1):
        try:
            pairs.append(_pair(line))
        except UserError as error:
            raise UserError(f"{path}, line {number}: {error}") from None
    return pairs


def _pair(line: str) -> Pair:
    fields = line.split("\t")
    if len(fields) != 3:
        raise UserError(f"{len(fields)} fields; expected a relation and two formulas, separated by tabs")
    label = fields[0].strip()
    if label not in RELATIONS:
        raise UserError(f"the relation is {label!r}; expected one of {' '.join(RELATIONS)}")
    left, right = map(_formula, fields[1:])
    if (found := relation(left.worlds, right.worlds)) != label:
        raise UserError(f"the relation is {label!r}, but the formulas have {found!r}; was the file edited by hand?")
    return Pair(label, left, right)


def _formula(text: str) -> Formula:
    formula = _parse(" ".join(text.split()))
    if formula.worlds in (0, EVERYWHERE):
        raise UserError(f"{formula.text!r} is {'always' if formula.worlds else 'never'} true; it has no relation")
    return formula
