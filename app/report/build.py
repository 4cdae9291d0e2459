"""From run directories to the files of a report."""

import errno
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.common.errors import RunError, UserError
from app.common.files import write_atomically
from app.report.configurations import read_configurations
from app.report.document import Document, Picture, joined
from app.report.fit_document import fit_document
from app.report.fit_run import read_fits
from app.report.latex import latex
from app.report.lottery_document import lottery_document
from app.report.lottery_run import read_lotteries
from app.report.markdown import markdown
from app.report.page import page
from app.report.reading import by_kind
from app.runs.layout import RunLayout
from app.runs.output_directory import check_output, claim_output

KINDS = ("png", "svg", "pdf")
LATEX = "tables.tex"
UNUSABLE = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """What `report` wrote: the page, the Markdown, each figure as PNG, SVG and PDF, tables; and what they hold."""

    html: Path
    markdown: Path
    figures: tuple[Path, ...]
    tables: tuple[Path, ...]
    document: Document


def report(run_dirs: Sequence[Path], out: Path | None = None) -> ReportFiles:
    """Draw figures and tables of one or more run directories, from what is in them; nothing is trained.

    Directories that name the same experiment are pooled; different experiments stand side by side.

    Args:
        run_dirs: at least one: run directories of lotteries; or of `fit`, or of single networks of lotteries. Runs may
            still be in progress.
        out: where the files go; by default `report/` in a single run directory, or beside the first of several.

    Returns:
        The files, all written whole; those of an earlier report are replaced, others left alone.

    Raises:
        UserError: nothing to report on, a broken table, or no usable place for the report, such as one with a
            report.md of the user's.
        RunError: the report could not be written, such as on a full disk.
    """
    by_kind(run_dirs)  # refuses what is no run before a place is looked for
    command = _command(run_dirs, out)
    if out is None:
        # One run's own report is never overwritten by a comparison with others.
        out = RunLayout(run_dirs[0]).report if len(run_dirs) == 1 else RunLayout(run_dirs[0].parent).report
    else:
        check_output(out, [], "--out")
    document = read_document(run_dirs, command)
    files = _contents(document)
    try:
        claim_output(out, files, "--out")
        for name, data in files.items():
            write_atomically(out / name, data)
    except OSError as error:
        if error.errno in UNUSABLE:
            raise UserError(
                f"{out}: no place to write a report ({error.strerror}); choose another with --out"
            ) from None
        raise RunError(f"{out}: the report was not written ({error.strerror}); mend that and report again") from None
    pictures = tuple(out / name for name in files if name.endswith(KINDS))
    return ReportFiles(
        html=out / "report.html",
        markdown=out / "report.md",
        figures=pictures,
        tables=tuple(out / name for name in (*document.tables, LATEX)),
        document=document,
    )


def read_document(run_dirs: Sequence[Path], command: str) -> Document:
    """What a report of run directories holds.

    Args:
        run_dirs: as `report` takes them.
        command: what is typed to make the report.

    Raises:
        UserError: nothing to report on, or a broken file.
    """
    lotteries, fits = by_kind(run_dirs)
    parts = [
        *([lottery_document(read_lotteries(lotteries), command)] if lotteries else []),
        *([fit_document(read_fits(fits), command)] if fits else []),
    ]
    return replace(joined(parts), configurations=read_configurations(run_dirs))


def _command(run_dirs: Sequence[Path], out: Path | None) -> str:
    """What is typed to make a report, quoted for a shell."""
    place = [] if out is None else ["--out", str(out)]
    return shlex.join(["python", "-m", "app", "report", *map(str, run_dirs), *place])


def _contents(document: Document) -> dict[str, bytes | str]:
    """All files by name, pictures first: a page is never there before what it shows."""
    pictures = {
        f"{picture.stem}.{kind}": data for picture in document.pictures for kind, data in _files(picture).items()
    }
    html = page(document, {picture.stem: pictures[f"{picture.stem}.svg"] for picture in document.pictures}, KINDS)
    texts = {LATEX: latex(document), "report.md": markdown(document), "report.html": html}
    return {**pictures, **document.tables, **texts}


def _files(picture: Picture) -> dict[str, bytes]:
    """The files of a picture by their endings."""
    if isinstance(picture.source, Mapping):
        return {kind: picture.source[kind] for kind in KINDS if kind in picture.source}
    # matplotlib takes a second to import, and a table in the terminal does not need it.
    from app.plotting.canvas import render
    from app.plotting.draw import draw

    figure = draw(picture.source)
    return {kind: render(figure, kind) for kind in KINDS}
