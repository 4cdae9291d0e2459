"""Figures of trainings by `fit`."""

from pathlib import Path

import pytest
from helpers.fits import language_rows, made_up
from helpers.pages import text_boxes
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from app.common.metrics import Metric, perplexity
from app.plotting.canvas import blocks
from app.plotting.draw import draw
from app.plotting.scales import log_axis
from app.plotting.style import style
from app.report.fit_figures import fit_figures, fit_picture
from app.report.fit_run import FitRun, read_fits
from app.report.fit_series import fit_line


def fit_figure(fits: list[FitRun], metrics: list[Metric]) -> Figure:
    return draw(fit_picture(fits, "stem", metrics).source)


def panels(figure: Figure) -> list:
    return [axes for part in figure.subfigs for axes in part.axes]


def test_an_experiment_has_one_look_in_all_figures(fits: Path):
    experiments = read_fits([fits / "many", fits / "one"])
    styles = set()
    for quantities in fit_figures(experiments).values():
        for axes in panels(fit_figure(experiments, quantities)):
            styles |= {(len(line.get_xdata()) and line.get_color(), line.get_marker()) for line in axes.lines}
    assert styles == {("#0072B2", "o"), ("#D55E00", "^")}
    third_layer = panels(fit_figure(experiments, fit_figures(experiments)["uf1_layers"]))[2]
    assert {line.get_color() for line in third_layer.lines} == {"#D55E00"}, "only one of them has a third layer"


def test_lines_get_thin_where_a_seed_ends_and_bands_span_the_seeds(fits: Path):
    (many,) = read_fits([fits / "many"])
    (axes,) = panels(fit_figure([many], fit_figures([many])["val_perplexity"]))
    thick, thin = axes.lines
    assert thick.get_linewidth() > thin.get_linewidth()
    line = fit_line(many, "val_perplexity")
    assert list(thick.get_xdata()) == [point.iteration for point in line[:3]]
    assert list(thin.get_xdata()) == [point.iteration for point in line[2:]], "it goes on from the last point of all"
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    for point in line:
        heights = corners[corners[:, 0] == point.iteration][:, 1]
        assert (heights.min(), heights.max()) == (point.value.low, point.value.high)


def test_layers_stand_on_one_scale(fits: Path):
    (one,) = read_fits([fits / "one"])
    frames = {
        (axes.get_xlim(), axes.get_ylim()) for axes in panels(fit_figure([one], fit_figures([one])["uf1_layers"]))
    }
    assert len(frames) == 1


@pytest.mark.parametrize(("validations", "names"), [(1, 1), (6, 2), (45, 9), (500, 1)])
def test_no_text_is_cut_or_covered(validations: int, names: int):
    experiments = [
        made_up(language_rows(str(n), validations, layers=2), name=f"_long_$name$ {'of many words ' * n}{n}")
        for n in range(names)
    ]
    for quantities in fit_figures(experiments).values():
        figure = fit_figure(experiments, quantities)
        boxes = text_boxes(figure)
        assert sum("$name$" in text for text, _ in boxes) == names, "names are text and nothing more"
        for text, box in boxes:
            assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, text
            assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, text
        for index, (text, box) in enumerate(boxes):
            for other, beside in boxes[index + 1 :]:
                assert not box.overlaps(beside), (text, other)


@given(st.floats(1, 1e12), st.floats(0, 12))
def test_perplexity_axes_have_ticks_inside(low: float, decades: float):
    with style():
        _, (block,) = blocks([1])
        axes = block.panels[0]
        log_axis(axes, perplexity("p"), (low, low * 10**decades), points=block.height)
    bottom, top = axes.get_ylim()
    assert bottom < low <= low * 10**decades < top
    ticks = sorted(axes.get_yticks())
    assert 2 <= len(ticks) <= 12
    assert bottom <= ticks[0]
    assert ticks[-1] <= top
