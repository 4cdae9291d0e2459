"""Legends and line styles of many methods."""

from itertools import combinations

import pytest
from helpers.pages import text_boxes

from app.common.metrics import accuracy
from app.plotting.data import DensityFigure, DensityPanel, Entry, Line, Mark
from app.plotting.draw import draw
from app.plotting.line_styles import CONTROL_LOOKS, TICKET_LOOKS, control_style, ticket_style


def figure_of(methods: int) -> DensityFigure:
    """So many methods, each with three rounds."""
    styles = [(ticket_style if number % 2 else control_style)(number // 2) for number in range(methods)]
    lines = [
        Line(
            line_style=style,
            marks=[Mark(x=0.8**round_, mean=0.9 + 0.001 * number, low=0.9, high=0.95, n=2) for round_ in (1, 2, 3)],
        )
        for number, style in enumerate(styles)
    ]
    dense = Mark(x=1.0, mean=0.9, low=0.9, high=0.9)
    legend = [Entry(label=f"a method named {number} (n = 3)", line_style=style) for number, style in enumerate(styles)]
    return DensityFigure(
        panels=[DensityPanel(name="", dense=dense, lines=lines)], metric=accuracy("test_accuracy"), legend=legend
    )


def test_every_method_that_there_is_looks_different():
    looks = [(style.colour, style.marker) for style in (*TICKET_LOOKS, *CONTROL_LOOKS)]
    assert len(set(looks)) == len(looks) == 24
    assert len({style.colour for style in TICKET_LOOKS}) == len(TICKET_LOOKS)


def test_many_methods_make_the_figure_higher_and_leave_the_panel_as_it_is():
    few, many = (draw(figure_of(methods)) for methods in (4, 19))
    assert many.get_size_inches()[1] > few.get_size_inches()[1] + 1
    for figure in (few, many):
        figure.draw_without_rendering()
    heights = [figure.subfigs[0].axes[0].get_window_extent().height / figure.dpi for figure in (few, many)]
    assert heights[1] == pytest.approx(heights[0], rel=0.1)
    boxes = text_boxes(many)
    for (text, box), (other, beside) in combinations(boxes, 2):
        assert not box.overlaps(beside), (text, other)


def test_bars_of_many_methods_stay_beside_their_round():
    axes = draw(figure_of(19)).subfigs[0].axes[0]
    places = sorted(float(bar.get_segments()[0][0][0]) for bar in axes.collections)
    firsts = [place for place in places if place > 0.72]
    assert len(firsts) == 19, "all bars of the first round are nearer to it than to the second"
