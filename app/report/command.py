"""`python -m app report`: read the command line, draw, say where the report is."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from app.common.arguments import Parser
from app.report.build import report
from app.report.experiments import read_experiments
from app.report.findings import Findings, findings
from app.report.fits.findings import fit_findings
from app.report.fits.reading import are_fits, read_fits


def main(argv: Sequence[str]) -> int:
    """Draw the report that a command line asks for, and print its headlines.

    Args:
        argv: what stands after `report` on the command line.

    Returns:
        The exit code: 0.

    Raises:
        UserError: a wrong command line, nothing to report on, or a broken table.
        RunError: the report could not be written.
    """
    parser = Parser(
        prog="python -m app report",
        description="Draw figures and tables of run directories: of lotteries, or of trainings by fit.",
    )
    parser.add_argument(
        "run_dirs",
        metavar="RUN",
        nargs="*",
        type=Path,
        help="a run directory, such as runs/quickstart, or runs/grammar_on_lstm for all seeds in it",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="where to write; by default RUN/report, or report/ beside the first of several",
    )
    options = parser.parse_args(argv)
    files = report(options.run_dirs, options.out)
    console = Console(highlight=False, markup=False, emoji=False)
    headlines = _headlines(options.run_dirs)
    for name, found in headlines.items():
        if len(headlines) > 1:
            console.print(name, soft_wrap=True)
        for label, sentences in found.by_method.items():
            console.print(f"{label}:", *sentences, sep="\n  ", soft_wrap=True)
        console.print(found.basis, soft_wrap=True)
    for label, path in (("figures", files.figures[0].parent / "*.png, *.svg"), ("report", files.html)):
        console.print(f"{label}: {path}", soft_wrap=True)
    return 0


def _headlines(run_dirs: Sequence[Path]) -> dict[str, Findings]:
    if are_fits(run_dirs):
        return {experiment.name: fit_findings(experiment) for experiment in read_fits(run_dirs)}
    return {experiment.name: findings(experiment.results) for experiment in read_experiments(run_dirs)}
