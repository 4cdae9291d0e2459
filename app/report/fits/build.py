"""From trainings by `fit` to the files of their report."""

from collections.abc import Sequence
from pathlib import Path

from app.report.fits.document import fit_document, fit_figures
from app.report.fits.operators import BY_OPERATORS, measure_operators, trained_operators
from app.report.fits.reading import read_fits
from app.report.fits.trees import read_drawings
from app.report.markdown import markdown
from app.report.page import page


def fit_contents(run_dirs: Sequence[Path], command: str) -> dict[str, bytes | str]:
    """All files by name, pictures first: a page is never there before what it shows.

    Args:
        run_dirs: as `read_fits` takes them.
        command: what is typed to make this report.

    Raises:
        UserError: nothing to report on, or a broken file.
    """
    experiments = read_fits(run_dirs)
    drawings = read_drawings(experiments)
    words = fit_document(experiments, drawings, command)
    # matplotlib takes a second to import; mistakes are told before.
    from app.plotting.canvas import render
    from app.report.fits.figures import fit_figure
    from app.report.fits.operator_figure import operator_figure

    figures = {stem: fit_figure(experiments, quantities) for stem, quantities in fit_figures(experiments).items()}
    if measure_operators(experiments):
        figures[BY_OPERATORS] = operator_figure(experiments, trained_operators(experiments))
    pictures = {f"{stem}.{kind}": render(figure, kind) for stem, figure in figures.items() for kind in ("png", "svg")}
    for drawing in drawings:
        pictures |= {f"{drawing.stem}.png": drawing.png, f"{drawing.stem}.svg": drawing.svg}
    html = page(words, {picture.stem: pictures[f"{picture.stem}.svg"] for picture in words.pictures})
    return {**pictures, "report.md": markdown(words), "report.html": html}
