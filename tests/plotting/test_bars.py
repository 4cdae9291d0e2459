"""Bars: one for every share of every model, under its heading and beside its name."""

import pytest
from matplotlib.colors import to_hex

from app.plotting.bars import BAR, COLOURS, bars
from app.plotting.canvas import render

GROUPS = {
    "short": {"simple": [0.25, 0.5], "a name of $odd$ letters": [1.0, None]},
    "": {"alone": [0.0, 0.75]},
}


def test_every_share_has_its_bar() -> None:
    figure = bars(GROUPS, ["one", "two"], axis="accuracy", reference=0.5)
    (axes,) = figure.axes
    drawn = [(bar.get_width(), bar.get_y() + BAR / 2) for bar in axes.patches]
    assert [width for width, _ in drawn] == [0.25, 0.5, 1.0, 0.0, 0.75]
    colours = [to_hex(bar.get_facecolor()).upper() for bar in axes.patches]
    assert colours == [COLOURS[0], COLOURS[1], COLOURS[0], COLOURS[0], COLOURS[1]]
    tops = [place for _, place in drawn]
    assert tops == sorted(tops), "the first is on top"
    assert axes.yaxis_inverted()
    labels = {label.get_text(): place for label, place in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)}
    assert list(labels) == ["simple", "a name of $odd$ letters", "alone"]
    assert labels["simple"] == pytest.approx((tops[0] + tops[1]) / 2)
    assert [text.get_text() for text in axes.texts] == ["short"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_pictures_never_vary(kind: str) -> None:
    made = [render(bars(GROUPS, ["one", "$two"], axis="accuracy", reference=0.5), kind) for _ in range(2)]
    assert made[0] == made[1]
