"""Charts have what the figures on paper have."""

import json

import pytest

from app.charts.colours import CONTRAST, PAPER, contrast, luminance, readable
from app.charts.of_figure import chart_of
from app.common.metrics import accuracy
from app.plotting.data import BarsFigure, BarsRow, CurvesFigure, DensityFigure, DensityPanel, Entry, Line, Mark
from app.plotting.line_styles import CONTROL_LOOKS, DENSE_STYLE, PALETTE, TICKET_LOOKS, ticket_style


def mark(x: float, mean: float) -> Mark:
    return Mark(x=x, mean=mean, low=mean, high=mean)


def figure(*, experiments: bool) -> DensityFigure:
    panels = [
        DensityPanel(
            name=name,
            dense=mark(1.0, 0.9),
            lines=[Line(line_style=ticket_style(0), marks=[mark(0.5, value)])],
            experiment=name if experiments else "",
        )
        for name, value in (("one", 0.8), ("two", 0.7))
    ]
    legend = [Entry(label="dense", line_style=DENSE_STYLE), Entry(label="iterative", line_style=ticket_style(0))]
    return DensityFigure(panels=panels, metric=accuracy("a"), legend=legend)


def test_experiments_are_drawn_over_each_other_and_other_panels_side_by_side():
    together, apart = chart_of(figure(experiments=True)), chart_of(figure(experiments=False))
    assert together is not None
    assert apart is not None
    assert [panel.title for panel in together.panels] == [""]
    assert set(together.rows["experiment"]) == {"one", "two"}
    assert [panel.title for panel in apart.panels] == ["one", "two"]
    assert [panel.where for panel in apart.panels] == [{"panel": ["one"]}, {"panel": ["two"]}]
    found = list(zip(apart.rows["panel"], apart.rows["method"], apart.rows["start"], apart.rows["mean"], strict=True))
    assert ("two", "iterative", 0, 0.7) in found
    assert ("two", "iterative", 1, 0.9) in found, "each line begins with the dense network"


def test_the_legend_of_experiments_shows_their_dashes():
    chart = chart_of(figure(experiments=True))
    assert chart is not None
    channels = [layer["encoding"].get("strokeDash", {}) for layer in chart.panels[0].spec["layer"]]
    channel = next(each for each in channels if each.get("legend"))
    longest = max(sum(pattern) for pattern in channel["scale"]["range"])
    assert channel["legend"]["symbolSize"] ** 0.5 >= 2 * longest, "each pattern is there twice"


def test_names_of_rows_that_begin_alike_are_told_apart_on_a_phone():
    names = ["SV in object relative clause", "SV in object relative clause (no that)", "NPI simple, intrusive"]
    rows = [BarsRow(heading="long", name=name, marks=[mark(0.0, 0.9)]) for name in names]
    chart = chart_of(BarsFigure(experiments=["one"], rows=rows, metric=accuracy("a"), reference=0.5))
    assert chart is not None
    (label,) = {
        layer["encoding"]["y"]["axis"]["labelExpr"]
        for layer in chart.panels[0].spec["layer"]
        if "axis" in layer["encoding"].get("y", {})
    }
    lines = json.loads(label[label.index("{") : label.index("}") + 1])
    assert lines[names[0]] == ["SV in object relative", "clause"]
    assert lines[names[1]] == ["SV in object relative", "clause (no that)"]
    assert lines[names[2]] == ["NPI simple", "intrusive"]


def test_a_figure_without_the_values_of_single_networks_stays_a_picture():
    assert chart_of(CurvesFigure(groups=[], metric=accuracy("a"))) is None


@pytest.mark.parametrize("paper", PAPER.values())
def test_every_colour_can_be_told_from_the_page(paper: str):
    used = {*PALETTE, *(look.colour for look in (*TICKET_LOOKS, *CONTROL_LOOKS))} - {"#000000"}
    assert all(contrast(readable(colour, paper), paper) >= CONTRAST for colour in used)


def test_contrast_is_that_of_wcag():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert luminance("#0072b2") == pytest.approx(0.1525, abs=5e-4)
