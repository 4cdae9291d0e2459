"""`python -m app report`: read the command line, draw, say where the report is."""

from collections.abc import Sequence
from pathlib import Path

from app.common.arguments import Parser
from app.common.lines import print_line
from app.common.loading import said_meanwhile
from app.report.build import report


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
        description="Draw figures and tables of run directories: of lotteries, or of single trainings.",
    )
    parser.add_argument(
        "run_dirs",
        metavar="RUN",
        nargs="*",
        type=Path,
        help="a run directory, such as runs/quickstart, or runs/grammar_on_lstm for all seeds in it; or one network of "
        "a lottery, runs/quickstart/replicate_0/round_00",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="where to write; by default RUN/report, or report/ beside the first of several",
    )
    options = parser.parse_args(argv)
    with said_meanwhile("drawing ..."):
        files = report(options.run_dirs, options.out)
    sections = files.document.sections
    for section in sections:
        if len(sections) > 1:
            print_line(section.name)
        for label, sentences in section.findings.by_subject.items():
            print_line(f"{label}:")
            for sentence in sentences:
                print_line(f"  {sentence}")
        print_line(section.findings.basis)
    for label, path in (("figures", files.figures[0].parent / "*.png, *.svg, *.pdf"), ("report", files.html)):
        print_line(f"{label}: {path}")
    return 0
