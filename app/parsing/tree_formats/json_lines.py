"""JSON lines with a tree of nested lists of words, as DIORA writes them.

{"example_id": "7", "tree": [["the", "cat"], "sat"]}
"""

import json
from typing import Any

from app.common.errors import UserError
from app.common.printing import one_line
from app.parsing.tree_files import spelt_line, unlabelled_tree
from app.parsing.tree_formats.any_tree import AnyTree, of_nested

TREE = "tree"
WORDS = ("words", "tokens", "sentence")  # keys of the words, where leaves are numbers


def recognises(text: str) -> bool:
    """Whether the first line is an object with a tree."""
    first = text.lstrip().partition("\n")[0]
    return first.startswith("{") and f'"{TREE}"' in first


def read(text: str, source: str) -> list[AnyTree]:
    """Read a tree a line; blank lines are left out.

    Raises:
        UserError: a line is not an object with a tree; names the line.
    """
    found = []
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        where = f"{source}, line {line}"
        row = read_object(content, where)
        value = row.get(TREE)
        if value is None:
            raise UserError(f'{where}: has no "{TREE}"; expected {{"{TREE}": [["the", "cat"], "sat"]}}')
        if isinstance(value, str) and value.lstrip().startswith("("):
            sentence = unlabelled_tree(spelt_line(value.encode(), where))
            words, length, tree = sentence.words, len(sentence.words), sentence.tree
        else:
            leaves, length, tree = of_nested(value, where)
            words = leaves if leaves is not None else words_of(row, where)  # type: ignore[assignment]
        if words is not None and len(words) != length:
            raise UserError(f"{where}: the tree is over {length} words, and there are {len(words)}")
        found.append(AnyTree(line=line, words=words, length=length, tree=tree))
    return found


def read_object(content: str, where: str) -> dict[str, Any]:
    """The object of a line.

    Raises:
        UserError: it is none.
    """
    value = read_value(content, where)
    if not isinstance(value, dict):
        raise UserError(f"{where}: not an object such as {{...}}")
    return value


def read_value(content: str, where: str) -> Any:
    """The JSON value of a line.

    Raises:
        UserError: it is none, or nested deeper than Python's JSON reader goes.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise UserError(f"{where}: nested too deeply for JSON; write the tree as brackets") from None
    except ValueError as error:
        raise UserError(f"{where}: not JSON ({one_line(error)})") from None


def words_of(row: dict[str, Any], where: str) -> tuple[str, ...] | None:
    """The words of a line; None where it has none.

    Raises:
        UserError: they are neither a list of words nor a text.
    """
    value = next((row[key] for key in WORDS if key in row), None)
    if value is None:
        return None
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
        raise UserError(f"{where}: its words are neither a list of words nor a text")
    return tuple(words)
