"""`python -m app stability`: whether networks of a lottery are stable to the noise of SGD."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from app.commands.stability_figures import stability_figures
from app.common.arguments import Parser
from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.lines import print_line
from app.lottery.experiment import Experiment
from app.lottery.stability.error_line import read_line
from app.lottery.stability.layout import StabilityLayout
from app.lottery.stability.study import StabilityOptions, StabilityStudy
from app.lottery.stability.table import StabilityRow, read_rows, stability_table
from app.pruning.interpolation import STABLE
from app.runs.config import read_config
from app.runs.layout import RunLayout
from app.runs.output_directory import check_output, claim_output

# Carries out a study of the lottery that a configuration is of.
Conduct = Callable[[dict[str, Any], Callable[[Experiment], Any]], None]


@dataclass(frozen=True, kw_only=True)
class StabilityCommand:
    """What the command line asks for.

    Args:
        runs: lotteries.
        options: what is studied of each.
        threads: torch's; as the lottery has them where it is left out.
        allow_other_kernels: than those of the lottery and of earlier copies.
        out: directory of figures, where it is named.
    """

    runs: Sequence[RunLayout]
    options: StabilityOptions
    threads: int | None
    allow_other_kernels: bool
    out: Path | None


def parse_arguments(argv: Sequence[str]) -> StabilityCommand:
    """Read a command line.

    Raises:
        UserError: it is wrong.
    """
    parser = Parser(
        prog="python -m app stability",
        description="Train copies of networks of a lottery from the same weights with different orders of the data, "
        "and measure the error on the line between them (Frankle et al. 2020).",
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="the run directory of a lottery")
    parser.add_argument("--round", default="0", help="rounds of the networks, such as 0,5,8; 0 is the dense network")
    parser.add_argument("--method", default="iterative", help="the method that made them")
    parser.add_argument("--replicate", default="0", help="replicates, such as 0,1,2")
    parser.add_argument(
        "--at",
        default="",
        help="iterations of the dense training whose weights the copies begin with, such as 0it,500it; the lottery's "
        "rewind_to where it is left out",
    )
    parser.add_argument("--copies", type=int, default=2, help="copies of each network; all pairs are compared")
    parser.add_argument("--points", type=int, default=30, help="points on the line between two copies, ends included")
    parser.add_argument("--threads", type=int, help="torch's CPU threads; as the lottery has them by default")
    parser.add_argument(
        "--allow_other_kernels",
        choices=("true", "false"),
        default="false",
        help="train copies with another processor or other compiled code than the lottery; bits of results may differ",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="where figures go; by default stability/report in RUN")
    found = parser.parse_args(argv)
    options = StabilityOptions(
        rounds=_numbers(found.round, "--round"),
        method=found.method,
        replicates=_numbers(found.replicate, "--replicate"),
        at=_numbers(found.at, "--at", unit="it") if found.at else (),
        copies=found.copies,
        points=found.points,
    )
    if found.threads is not None and found.threads < 1:
        raise UserError(f"--threads is {found.threads}; expected 1 or more")
    if found.out is not None:
        check_output(found.out, [], "--out")
    return StabilityCommand(
        runs=[RunLayout(path) for path in found.runs],
        options=options,
        threads=found.threads,
        allow_other_kernels=found.allow_other_kernels == "true",
        out=found.out,
    )


def run_stability(argv: Sequence[str], conduct: Conduct) -> None:
    """Study the lotteries that a command line names, print a table and draw figures.

    Args:
        argv: what stands after `stability` on the command line.
        conduct: carries out a study.

    Raises:
        UserError: a wrong command line, no lottery, or a network that is not there.
        Interrupted: asked to stop; the same command goes on.
    """
    command = parse_arguments(argv)
    configs = [_config(run, command) for run in command.runs]
    for config in configs:
        conduct(config, StabilityStudy(options=command.options))
    console = Console(highlight=False)
    rows = []
    for layout in map(StabilityLayout.of, command.runs):
        found = read_rows(layout.table)
        console.print(stability_table(found), "")
        rows += [(row, layout.root / row.line) for row in found]
    print_line(f"barrier: highest error on the line minus mean error of the copies; stable below {100 * STABLE:g} %")
    print_line(f"figures: {_draw(command, rows) / '*.png, *.svg, *.pdf'}")


def _draw(command: StabilityCommand, rows: Sequence[tuple[StabilityRow, Path]]) -> Path:
    """Write the figures; return their directory."""
    measured = [(row, line) for row, path in rows if (line := read_line(path)) is not None]
    files = stability_figures(measured)
    out = command.out or StabilityLayout.of(command.runs[0]).report
    claim_output(out, files, "--out")
    for name, data in files.items():
        write_atomically(out / name, data)
    return out


def _config(run: RunLayout, command: StabilityCommand) -> dict[str, Any]:
    """The configuration of a lottery, as `lottery` takes it; nothing is logged of a study.

    Raises:
        UserError: there is no lottery.
    """
    config = read_config(run)
    if not isinstance(config.get("pruning"), dict):
        raise UserError(f"{run.root}: no lottery's run directory (its configuration has no pruning)")
    root = Path(os.path.abspath(run.root))
    one_by_one = {"workers": 1, "stack": 1, "plan": False}
    changed = {
        "experiment": root.name,
        "runs": str(root.parent),
        "pruning": config["pruning"] | one_by_one,
        "trainer": config["trainer"] | {"logger": False},
        "allow_other_kernels": command.allow_other_kernels,
    }
    own = {name: value for name, value in config.items() if name not in ("versions", "kernels", "config")}
    return own | changed | ({} if command.threads is None else {"threads": command.threads})


def _numbers(text: str, option: str, unit: str = "") -> list[int]:
    """Whole numbers from a list such as 0,5,8.

    Raises:
        UserError: it is something else.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(rf"\d+({unit})?" if unit else r"\d+", part) for part in parts):
        like = f"0{unit},500{unit}" if unit else "0,5,8"
        raise UserError(f"stability: {option} is {text!r}; expected whole numbers, such as {like}")
    return list(dict.fromkeys(int(part.removesuffix(unit)) for part in parts))
