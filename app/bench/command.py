"""`python -m app bench`: read the command line, measure, print a table after the other."""

import json
import sys
import tempfile
import time
from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from app.bench import equality, layer, loop, softmax, step, workers
from app.bench.machine import heading, machine
from app.bench.progress import Progress
from app.bench.rows import Row, tables
from app.bench.sizes import FULL, QUICK, Sizes
from app.bench.tasks import Section, Setting
from app.common.arguments import Parser
from app.common.errors import UserError
from app.common.files import write_atomically

SECTIONS: tuple[Section, ...] = (
    *(layer.SECTION, equality.SECTION, softmax.SECTION),
    *(loop.SECTION, workers.SECTION, step.SECTION),
)
MOST_THREADS = 1024
NARROWEST = 100  # where output goes to a file, wide enough for every table


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    quick: bool
    json: Path | None
    threads: int
    only: list[str]


def main(argv: Sequence[str]) -> None:
    """Measure this machine.

    Args:
        argv: what stands after `bench` on the command line.

    Raises:
        UserError: a wrong command line, or a file that cannot be written.
    """
    options = _read(argv)
    try:
        bench(options, QUICK if options.quick else FULL)
    except (KeyboardInterrupt, SystemExit) as error:
        # Lightning makes the second of the first; what it makes of SIGTERM has a type of its own.
        if type(error) not in (KeyboardInterrupt, SystemExit):
            raise
        print("stopped; the tables that are there are whole", file=sys.stderr)
        sys.exit(130)


def bench(options: Options, sizes: Sizes) -> None:
    """Measure, print, and write.

    Args:
        options: of the command line.
        sizes: how much is measured.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    try:
        _bench(options, sizes)
    finally:
        torch.set_num_threads(threads)


def _bench(options: Options, sizes: Sizes) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    if not sys.stdout.isatty():
        console.width = max(console.width, NARROWEST)
    with Console(stderr=True).status("looking at this machine, and compiling what is not compiled yet"):
        here = machine(options.threads)
    console.print(heading(here), soft_wrap=True)
    began, found = time.monotonic(), dict[str, list[Row]]()
    chosen = [section for section in SECTIONS if not options.only or section.name in options.only]
    progress = Progress()
    setting = Setting(sizes=sizes, tick=progress.tick)
    tasks = {section: section.tasks(setting) for section in chosen}
    progress.expect(sum(task.seconds for those in tasks.values() for task in those))
    for section, those in tasks.items():
        rows = found[section.name] = []
        for task in those:
            with progress.task(task.what, task.seconds):
                rows += task.run()
        console.print(f"\n{section.title}", soft_wrap=True)
        for table in tables(rows):
            console.print("", table, sep="\n")
    seconds = time.monotonic() - began
    console.print(f"\n{seconds:.0f} s", soft_wrap=True)
    if options.json is not None:
        _write(options, here | {"seed": setting.seed, "seconds": seconds, "sizes": asdict(sizes)}, found)


def _write(options: Options, about: dict[str, Any], found: dict[str, list[Row]]) -> None:
    assert options.json is not None
    sections = {name: [row.plain() for row in rows] for name, rows in found.items()}
    values = {"quick": options.quick, **about, "sections": sections}
    write_atomically(options.json, json.dumps(values, indent=2) + "\n")


def _read(argv: Sequence[str]) -> Options:
    names = ", ".join(section.name for section in SECTIONS)
    parser = Parser(prog="python -m app bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="less of everything: under three minutes on two cores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write every time measured, and the rest")
    parser.add_argument(
        "--threads",
        type=_positive,
        default=torch.get_num_threads(),
        metavar="N",
        help="torch's, here %(default)s where it is left out; the lottery's loop has one in any case",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        choices=[section.name for section in SECTIONS],
        metavar="SECTION",
        help=f"these tables alone, of {names}",
    )
    options = Options(**vars(parser.parse_args(argv)))
    if options.json is not None and not _can_be_written(options.json):
        raise UserError(f"--json is {options.json}; give a file in a folder that exists and can be written to")
    return options


def _can_be_written(path: Path) -> bool:
    """Asked before minutes of measuring, not after."""
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            return not path.is_dir()
    except OSError:
        return False


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= MOST_THREADS:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 to {MOST_THREADS}")
    return number
