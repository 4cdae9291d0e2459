"""Looks at the configuration files of a command line before jsonargparse reads them.

It reads them without limits, and what is wrong with a file it tells without its name or not at all.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.cli.shipped_configs import CONFIG, ENDINGS
from app.common.text_files import read_yaml


def check_config_files(argv: Sequence[str]) -> None:
    """Check the files that a command line names, and those that are named in them.

    Args:
        argv: the command line; arguments that name no file are left to jsonargparse.

    Raises:
        UserError: a file cannot be read, is not YAML in UTF-8, or is too deep or too large.
    """
    waiting, seen = list(_named(argv)), set()
    while waiting:
        path = waiting.pop()
        # What is no regular file, such as a pipe, can be read only once.
        if not path.is_file() or path in seen:
            continue
        seen.add(path)
        waiting += [path.parent / name for name in _texts(read_yaml(path)) if name.endswith(ENDINGS)]


def _named(argv: Sequence[str]) -> Iterator[Path]:
    for before, argument in zip(["", *argv], argv, strict=False):
        option, equals, value = argument.partition("=")
        if before in CONFIG:
            yield Path(argument)
        elif equals and (option in CONFIG or value.endswith(ENDINGS)):
            yield Path(value)
        elif argument.endswith(ENDINGS):
            yield Path(argument)


def _texts(value: Any) -> Iterator[str]:
    """All texts in a plain value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
