"""`python -m app bench`: read the command line, measure, and print one table after another."""

import json
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from app.bench import equality, gpu, images, layer, loop, softmax, sparse, step, tickets, workers
from app.bench.machine import heading, machine
from app.bench.progress import Progress
from app.bench.rows import BenchRow, tables
from app.bench.sizes import FULL, QUICK, Sizes
from app.bench.tasks import BenchSection, Setting
from app.common.arguments import Parser
from app.common.errors import UserError
from app.common.files import unwritable, write_atomically
from app.common.lines import print_line, print_to_stderr

SECTIONS: tuple[BenchSection, ...] = (
    *(layer.SECTION, equality.SECTION, softmax.SECTION),
    *(loop.SECTION, workers.SECTION, step.SECTION, images.SECTION, sparse.SECTION, gpu.SECTION),
)
MOST_THREADS = 1024
PICTURES = (".svg", ".png", ".pdf")
NARROWEST = 100  # columns of output that goes to a file; wide enough for every table


@dataclass(frozen=True)
class Options:
    """The options of the command line."""

    quick: bool
    json: Path | None
    figure: Path | None
    threads: int
    only: list[str]
    tickets: Path | None


def main(argv: Sequence[str]) -> None:
    """Measure this machine.

    Args:
        argv: the arguments after `bench`.

    Raises:
        UserError: the command line is wrong, or the file cannot be written.
    """
    options = _read(argv)
    try:
        bench(options, QUICK if options.quick else FULL)
    except (KeyboardInterrupt, SystemExit) as error:
        # Lightning turns the first into the second; its exception for SIGTERM is a subclass, which is passed on.
        if type(error) not in (KeyboardInterrupt, SystemExit):
            raise
        print_to_stderr("stopped; the tables printed so far are complete")
        sys.exit(130)


def bench(options: Options, sizes: Sizes) -> None:
    """Measure, print the tables, and write the JSON file and the figure.

    Args:
        options: of the command line.
        sizes: what to measure, and for how long.
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
    with Console(stderr=True).status("inspecting this machine, and compiling the time steps if necessary"):
        here = machine(options.threads)
    for line in heading(here).splitlines():
        print_line(line, console)
    began, found = time.monotonic(), dict[str, list[BenchRow]]()
    chosen = [section for section in SECTIONS if not options.only or section.name in options.only]
    if options.tickets is not None:
        chosen = [tickets.section(options.tickets)]
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
    if options.figure is not None:
        write_atomically(options.figure, sparse.drawn(found[sparse.SECTION.name], options.figure.suffix[1:]))
    if options.json is not None:
        _write(options, here | {"seed": setting.seed, "seconds": seconds, "sizes": asdict(sizes)}, found)


def _write(options: Options, about: dict[str, Any], found: dict[str, list[BenchRow]]) -> None:
    assert options.json is not None
    sections = {name: [row.plain() for row in rows] for name, rows in found.items()}
    values = {"quick": options.quick, **about, "sections": sections}
    write_atomically(options.json, json.dumps(values, indent=2) + "\n")


def _read(argv: Sequence[str]) -> Options:
    names = ", ".join(section.name for section in SECTIONS)
    parser = Parser(prog="python -m app bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="less of everything: under three minutes on two cores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="file for all measured times and everything else")
    parser.add_argument(
        "--figure",
        type=Path,
        metavar="FILE",
        help=f"picture of the table `{sparse.SECTION.name}`, speed against density, .svg, .png or .pdf",
    )
    parser.add_argument(
        "--threads",
        type=_positive,
        default=torch.get_num_threads(),
        metavar="N",
        help="torch's threads, by default %(default)s here; the lottery's loop always has one",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        choices=[section.name for section in SECTIONS],
        metavar="SECTION",
        help=f"measure only these tables, of {names}",
    )
    parser.add_argument(
        "--tickets",
        type=Path,
        metavar="RUN",
        help="instead of all this, bytes and milliseconds of the tickets of a lottery at every round",
    )
    options = Options(**vars(parser.parse_args(argv)))
    if options.json is not None and not _can_be_written(options.json):
        raise UserError(f"--json is {options.json}; name a file that can be written")
    if options.json is not None and _is_of_the_user(options.json):
        raise UserError(f"--json is {options.json}, which is there already and not of the benchmark; name another file")
    _check_figure(options)
    if options.tickets is not None and (options.only or options.figure is not None):
        raise UserError("--tickets measures the tickets of a lottery alone; leave out --only and --figure")
    return options


def _check_figure(options: Options) -> None:
    path, section = options.figure, sparse.SECTION.name
    if path is None:
        return
    if path.suffix not in PICTURES:
        raise UserError(f"--figure is {path}; its name ends with {', '.join(PICTURES)}")
    if options.only and section not in options.only:
        raise UserError(f"--figure is drawn of the table {section}; add {section} to --only, or leave --figure out")
    if not _can_be_written(path):
        raise UserError(f"--figure is {path}; name a file that can be written")
    if path.exists():
        raise UserError(f"--figure is {path}, which is there already; name another file")


def _can_be_written(path: Path) -> bool:
    """Checked before measuring, which takes minutes."""
    return not path.is_dir() and not unwritable(path.parent)


def _is_of_the_user(path: Path) -> bool:
    """Whether a file is there that the benchmark did not write."""
    if not path.exists():
        return False
    try:
        return "sections" not in json.loads(path.read_bytes())
    except (ValueError, TypeError, RecursionError):
        return True


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= MOST_THREADS:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MOST_THREADS}")
    return number
