"""The configurations of run directories, as they stand in their files."""

from collections.abc import Sequence
from pathlib import Path

from app.common.text_files import LARGEST_NOTE, read_text
from app.runs.layout import FitLayout, run_of, seed_directories


def read_configurations(run_dirs: Sequence[Path]) -> dict[str, str]:
    """The text of every config.yaml, by the directory that has it; seeds of an experiment have one each.

    Directories without one, as runs of long ago, are passed over. Nothing in a file is executed.

    Raises:
        UserError: one cannot be read.
    """
    found: dict[str, str] = {}
    for root in (each for given in run_dirs for each in seed_directories(given) or [given]):
        run = run_of(root)
        path = FitLayout(run.root if run is not None else root).config
        if path.exists():
            found[str(path.parent)] = read_text(path, LARGEST_NOTE)[0]
    return found
