"""Directories that commands write results into: what is there and is none of theirs is not replaced."""

import os
from collections.abc import Collection
from pathlib import Path

from app.common.errors import UserError
from app.common.files import unwritable, write_atomically
from app.runs.layout import FitLayout, run_of

WRITTEN = ".trees-and-tickets"  # in such a directory: the names of the files that commands have written there
OF_RUNS = ("report", "parse", "syntax")  # directories of results in run directories
OF_REPORTS = "\n## Made by\n\n    python -m app report"  # in each report.md


def check_output(directory: Path, names: Collection[str], option: str) -> None:
    """Check that files may be written: the directory can be, and none of these names is that of a file of the user's.

    Commands ask this before they compute what they will write, which may take long.

    Args:
        directory: may not exist yet.
        names: of the files.
        option: that chooses another directory.

    Raises:
        UserError: there is such a file, or nothing can be written there.
    """
    if reason := unwritable(directory):
        raise UserError(f"{directory}: no place to write ({reason}); choose another with {option}")
    known = _written(directory)
    for name in names:
        if name not in known and os.path.lexists(directory / name):
            raise UserError(
                f"{directory / name} is there already, and no command of this program wrote it; move it away, or "
                f"choose another directory with {option}"
            )


def claim_output(directory: Path, names: Collection[str], option: str) -> None:
    """The same, and note the names, so that the next command may replace these files.

    Raises:
        UserError: as `check_output`.
        OSError: the directory cannot be written to.
    """
    check_output(directory, names, option)
    before = _written(directory)
    if not before.issuperset(names) or not (directory / WRITTEN).exists():
        write_atomically(directory / WRITTEN, "".join(f"{name}\n" for name in sorted(before.union(names))))


def _written(directory: Path) -> set[str]:
    """The names of what commands have written."""
    if not directory.is_dir():
        return set()
    try:
        return set((directory / WRITTEN).read_text().splitlines())
    except (OSError, UnicodeDecodeError):
        return {path.name for path in directory.iterdir()} if _is_of_earlier_version(directory) else set()


def _is_of_earlier_version(directory: Path) -> bool:
    """Whether a command of an earlier version, which noted no names, has written into a directory."""
    parent = directory.absolute().parent
    if directory.name in OF_RUNS and (FitLayout(parent).config.exists() or run_of(parent) is not None):
        return True
    report = directory / "report.md"
    return report.is_file() and OF_REPORTS.encode() in report.read_bytes()
