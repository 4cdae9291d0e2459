"""Completion of commands and options in a shell, by shtab."""

import argparse
from collections.abc import Iterable
from importlib.util import find_spec

from app.common.errors import UserError
from app.common.loading import said_meanwhile

SHELLS = ("bash", "zsh", "tcsh")
# The script that pip installs: a shell cannot tell `python -m app` from other uses of python.
PROGRAM = "trees-and-tickets"
# Options of commands that have a parser of their own.
OTHERS = {
    "report": ("--out",),
    "stability": ("--round", "--method", "--replicate", "--at", "--copies", "--points", "--threads", "--out"),
    "export": ("--format", "--weights", "--values", "--compact"),
    "status": (),
    "bench": ("--quick", "--json", "--threads", "--only", "--figure", "--tickets"),
    "import-authors": ("--data", "--output"),
    "parse": (
        "--score",
        "--compare",
        "--score_format",
        "--gold_format",
        "--match",
        "--in_common",
        "--words_only",
        "--tags",
        "--split",
        "--samples",
    ),
    "syntax": ("--compare",),
}


def main(argv: list[str], commands: Iterable[str]) -> None:
    """Print the script that completes commands and options.

    Args:
        argv: the shell.
        commands: all there are.

    Raises:
        UserError: an unknown shell, or shtab is not installed.
    """
    if len(argv) != 1 or argv[0] not in SHELLS:
        raise UserError(f"completion needs the name of a shell: {', '.join(SHELLS)}")
    if find_spec("shtab") is None:
        raise UserError("completion needs shtab; pip install shtab, or the extra `completion`")
    import shtab

    with said_meanwhile():
        script = shtab.complete(parser(commands), argv[0])
    print(script)


def parser(commands: Iterable[str]) -> argparse.ArgumentParser:
    """A parser that has all commands and the names of their options, and nothing else."""
    from app.cli.option_names import option_names  # imports Lightning

    found = option_names()
    made = argparse.ArgumentParser(prog=PROGRAM)
    made.add_argument("--version", action="store_true")
    subparsers = made.add_subparsers()
    for command in commands:
        subparser = subparsers.add_parser(command, prog=f"{PROGRAM} {command}", help=command)  # shown, if it has a help
        for option in sorted({*found.get(command, ()), *OTHERS.get(command, ())} - {"--help"}):
            subparser.add_argument(option, nargs="?")
    return made
