"""From run directories to the files of a report."""

import errno
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.common.errors import RunError, UserError
from app.common.files import write_atomically
from app.report.document import AGAINST_DENSITY, CURVES, document
from app.report.experiments import Experiment, read_experiments
from app.report.fits.build import fit_contents
from app.report.fits.reading import are_fits
from app.report.markdown import markdown
from app.report.page import page
from app.runs.layout import RunLayout

UNUSABLE = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """What `report` wrote: the page, the Markdown, and each figure as PNG and SVG."""

    html: Path
    markdown: Path
    figures: tuple[Path, ...]


def report(run_dirs: Sequence[Path], out: Path | None = None) -> ReportFiles:
    """Draw figures and tables of one or more run directories, from the tables and notes in them, never from weights.

    Directories that name the same experiment are pooled; different experiments stand side by side.

    Args:
        run_dirs: run directories, at least one, of lotteries or of `fit`; runs may still be in progress.
        out: where the files go; by default `report/` in a single run directory, or beside the first of several.

    Returns:
        The files, all written whole; files of the same names are replaced, others left alone.

    Raises:
        UserError: nothing to report on, lotteries and others together, a broken table, or no usable place for the
            report.
        RunError: the report could not be written, such as on a full disk.
    """
    if are_fits(run_dirs):
        files = fit_contents(run_dirs, _command(run_dirs, out))
    else:
        files = _contents(read_experiments(run_dirs))
    if out is None:
        # One run's own report is never overwritten by a comparison with others.
        out = RunLayout(run_dirs[0]).report if len(run_dirs) == 1 else RunLayout(run_dirs[0].parent).report
    try:
        for name, data in files.items():
            write_atomically(out / name, data)
    except OSError as error:
        if error.errno in UNUSABLE:
            raise UserError(
                f"{out}: no place to write a report ({error.strerror}); choose another with --out"
            ) from None
        raise RunError(f"{out}: the report was not written ({error.strerror}); mend that and report again") from None
    pictures = tuple(out / name for name in files if name.endswith((".png", ".svg")))
    return ReportFiles(html=out / "report.html", markdown=out / "report.md", figures=pictures)


def _command(run_dirs: Sequence[Path], out: Path | None) -> str:
    """What is typed to make a report, quoted for a shell."""
    place = [] if out is None else ["--out", str(out)]
    return shlex.join(["python", "-m", "app", "report", *map(str, run_dirs), *place])


def _contents(experiments: Sequence[Experiment]) -> dict[str, bytes | str]:
    """All files by name, pictures first: a page is never there before what it shows."""
    # matplotlib takes a second to import, and whoever asks for a table in the terminal has no use for it.
    from app.plotting.canvas import render
    from app.report.curves import curves_figure
    from app.report.figures import density_figure

    figures = {column: density_figure(experiments, column) for column in AGAINST_DENSITY}
    figures[CURVES] = curves_figure(experiments)
    pictures = {f"{stem}.{kind}": render(figure, kind) for stem, figure in figures.items() for kind in ("png", "svg")}
    words = document(experiments)
    html = page(words, {stem: pictures[f"{stem}.svg"] for stem in figures})
    return {**pictures, "report.md": markdown(words), "report.html": html}
