"""Reads files that may be damaged, too large, or made to do harm: text, JSON and YAML."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from app.common.errors import UserError
from app.common.printing import ACTING, one_line, printable, spelt

# More bytes than any file of its kind can have.
LARGEST_TEXT = 1 << 30
LARGEST_NOTE = 1 << 24  # configurations, schemas and reports
# More levels and values than any configuration or report has.
DEEPEST, MOST_VALUES = 100, 100_000

# That of libyaml is ten times as fast as the one in Python.
_YamlLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_bytes(path: Path, most: int = LARGEST_TEXT) -> bytes:
    """The content of a file.

    Args:
        path: the file.
        most: bytes that a file of its kind can have; no more are read.

    Raises:
        UserError: it cannot be read, or is larger.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    except ValueError as error:  # a name with NUL in it
        raise UserError(f"{str(path)!r}: not the name of a file ({error})") from None
    if len(content) > most:
        raise UserError(f"{path}: more than {most:,} bytes; is it the right file?")
    return content


def read_text(path: Path, most: int = LARGEST_TEXT) -> tuple[str, bytes]:
    """A file's text, without a byte order mark, and its bytes.

    Args:
        path: the file.
        most: bytes that a file of its kind can have; no more are read.

    Raises:
        UserError: the file cannot be read, is larger, is not UTF-8, or has control characters; names the line.
    """
    content = read_bytes(path, most)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: not UTF-8 ({error.reason}); save it as UTF-8") from None
    if found := ACTING.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise UserError(f"{path}, line {line}: has the control character {spelt(found[0])}; is it a text file?")
    return text, content


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without their line ends.

    Raises:
        UserError: as `read_text`, or the file is empty.
    """
    text, _ = read_text(path)
    if not text.strip():
        raise UserError(f"{path}: is empty; expected text, line by line")
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        UserError: the file cannot be read, is not JSON, or `check_plain` refuses what it holds.
    """
    text, _ = read_text(path, LARGEST_NOTE)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({one_line(error)})") from None
    check_plain(value, str(path))
    return value


def read_yaml(path: Path) -> Any:
    """The value in a YAML file of plain values; classes that it names are not looked at.

    Raises:
        UserError: the file cannot be read, is not YAML, or `check_yaml` or `check_plain` refuse what it holds.
    """
    text, _ = read_text(path, LARGEST_NOTE)
    try:
        check_yaml(text)
        value = yaml.load(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise UserError(f"{path}: not YAML ({one_line(error)})") from None
    check_plain(value, str(path))
    return value


def check_yaml(text: str) -> None:
    """Check that a YAML text can be loaded with little memory and time, before it is.

    Raises:
        yaml.YAMLError: it is not YAML, nested deeper than `DEEPEST`, or has more than `MOST_VALUES` values when each
            alias is replaced by what it stands for.
    """
    sizes: dict[str, int] = {}  # of complete values that have an anchor
    begun: list[tuple[str | None, int]] = []  # anchor of each open value, and how many values were before it
    values = 0
    for event in yaml.parse(text, Loader=_YamlLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            begun.append((event.anchor, values))
            values += 1
        elif isinstance(event, yaml.ScalarEvent):
            values += 1
            sizes |= {event.anchor: 1} if event.anchor else {}
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise yaml.YAMLError(f"the alias {event.anchor} stands for no complete value before it")
            values += sizes[event.anchor]
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = begun.pop()
            sizes |= {anchor: values - before} if anchor else {}
        if len(begun) > DEEPEST:
            raise yaml.YAMLError(f"more than {DEEPEST} levels")
        if values > MOST_VALUES:
            raise yaml.YAMLError(f"more than {MOST_VALUES:,} values, counting what aliases stand for")


def check_plain(value: Any, source: str) -> None:
    """Check that plain values can be handled and printed like any others.

    Args:
        value: mappings, lists and what they hold.
        source: where it is from, for the error message.

    Raises:
        UserError: nested deeper than `DEEPEST`; a text with a control character that is no white space, such as NUL; a
            whole number of more than 64 bits.
    """
    level = [("", value)]
    for _ in range(DEEPEST + 1):
        for key, each in level:
            if isinstance(each, str) and (found := ACTING.search(each)):
                raise UserError(f"{source}: {_named(key)} has the control character {spelt(found[0])}; remove it")
            if isinstance(each, int) and abs(each) >> 64:
                raise UserError(f"{source}: {_named(key)} is a number of more than 64 bits")
        level = [inner for key, each in level for inner in _inner(key, each)]
        if not level:
            return
    raise UserError(f"{source}: more than {DEEPEST} levels")


def _named(key: str) -> str:
    return printable(key) or "a value"


def _inner(key: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        names = [(key, name) for name in value]
        return names + [(f"{key}.{name}".removeprefix("."), each) for name, each in value.items()]
    return [(key, each) for each in value] if isinstance(value, list | tuple) else []
