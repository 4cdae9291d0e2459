"""Figures of lotteries."""

from dataclasses import replace
from pathlib import Path

import matplotlib
import pytest
from helpers.made_up_run import lottery_of, result, write_run
from helpers.pages import text_boxes
from matplotlib.figure import Figure

from app.plotting.canvas import render
from app.plotting.draw import draw
from app.report.lottery_document import methods_of
from app.report.lottery_figures import curves_picture, density_picture
from app.report.lottery_run import LotteryRun, read_lotteries
from app.runs.layout import RunLayout
from app.runs.table import read_results, write_results


def density_figure(lotteries: list[LotteryRun], column: str) -> Figure:
    (metric,) = {metric for lottery in lotteries for metric in lottery.columns if metric.name == column}
    return draw(density_picture(lotteries, metric, methods_of(lotteries)).source)


def curves_figure(lotteries: list[LotteryRun]) -> Figure:
    return draw(curves_picture(lotteries, lotteries[0].headline[0], methods_of(lotteries)).source)


def test_texts_of_pictures_give_start_best_and_end():
    values = {"dense": [(500, 0.95)], "iterative": [(300, 0.96), (200, 0.98), (900, 0.97)]}
    rows = [
        result(method, index + (method != "dense"), early_stop_iteration=stop, early_stop_test_accuracy=early)
        for method, pairs in values.items()
        for index, (stop, early) in enumerate(pairs)
    ]
    (methods, lottery) = (methods_of([lottery_of(rows)]), lottery_of(rows))
    stop, early, _ = (density_picture([lottery], metric, methods) for metric in lottery.columns)
    assert stop.alt.endswith("dense 500 at 100 %. iterative 500 at 100 %, 200 at 64.0 %, 900 at 51.2 %.")
    assert early.alt.endswith(
        "dense 95.00 % at 100 %. iterative 95.00 % at 100 %, 98.00 % at 64.0 %, 97.00 % at 51.2 %."
    )


def test_the_users_own_matplotlib_settings_change_nothing(small_run: Path):
    experiments = read_lotteries([small_run])
    ours = render(density_figure(experiments, "final_test_accuracy"), "png")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": "x", "savefig.dpi": 30}):
        theirs = render(density_figure(experiments, "final_test_accuracy"), "png")
        assert matplotlib.rcParams["font.size"] == 30, "and are left as they were"
    assert ours == theirs


def bars(figure: Figure) -> int:
    return sum(len(axes.collections) for part in figure.subfigs for axes in part.axes)


def test_bars_only_where_there_is_something_to_span(tmp_path: Path):
    write_run(tmp_path / "one", rounds=3, replicates=1)
    write_run(tmp_path / "two", rounds=3, replicates=2)
    one, two = (density_figure(read_lotteries([tmp_path / name]), "final_test_accuracy") for name in ("one", "two"))
    assert (bars(one), bars(two)) == (0, 1 + 3)


def test_every_line_starts_at_the_dense_mean(large_run: Path):
    figure = density_figure(read_lotteries([large_run]), "early_stop_iteration")
    dense = [row for row in read_results(RunLayout(large_run).results) if row.method == "dense"]
    mean = sum(row.early_stop_iteration for row in dense) / len(dense)
    drawn = figure.subfigs[0].axes[0].lines
    lines = [line for line in drawn if line.get_marker() != "None" and line.get_linestyle() != "None"]
    assert len(lines) == 5
    for line in lines:
        assert (line.get_xdata()[0], line.get_ydata()[0]) == (1.0, pytest.approx(mean))


@pytest.mark.parametrize("name", ["small_run", "large_run"])
def test_no_text_is_cut_or_covered(name, request: pytest.FixtureRequest):
    experiments = read_lotteries([request.getfixturevalue(name)])
    figures = [density_figure(experiments, "early_stop_test_accuracy"), curves_figure(experiments)]
    other = replace(experiments[0], name="other")
    figures.append(density_figure([*experiments, other], "early_stop_iteration"))
    for figure in figures:
        boxes = text_boxes(figure)
        assert len(boxes) > 10
        frame = figure.bbox
        for text, box in boxes:
            assert frame.x0 <= box.x0 <= box.x1 <= frame.x1, text
            assert frame.y0 <= box.y0 <= box.y1 <= frame.y1, text
        for index, (text, box) in enumerate(boxes):
            for other, beside in boxes[index + 1 :]:
                assert not box.overlaps(beside), (text, other)


def test_controls_keep_the_colour_of_their_density(small_run: Path):
    figure = curves_figure(read_lotteries([small_run]))
    iterative, reinit = figure.subfigs[0].axes
    solid = [line.get_color() for line in iterative.lines]
    thin, dashed = reinit.lines[: len(solid)], reinit.lines[len(solid) :]
    assert [line.get_color() for line in thin] == solid
    assert [line.get_color() for line in dashed] == solid
    assert all(line.is_dashed() for line in dashed[1:])
    assert not any(line.is_dashed() for line in thin)


def test_a_panel_that_is_alone_among_several_experiments_has_its_name(small_run: Path):
    (small,) = read_lotteries([small_run])
    other = lottery_of([replace(result("dense", 0), values={"early_stop_test_score": 1.0, "final_test_score": 1.0})])
    metric = other.columns[1]
    (panel,) = density_picture([small, other], metric, methods_of([small, other])).source.panels
    assert panel.name == "made-up (1 replicate)"
    (alone,) = density_picture([other], metric, methods_of([other])).source.panels
    assert not alone.name


def test_a_row_made_by_hand_is_enough_for_the_figures_against_density(tmp_path: Path):
    write_results(tmp_path / "results.csv", [result("dense", 0, final_test_accuracy=1.0, early_stop_iteration=0)])
    experiments = read_lotteries([tmp_path])
    for stem in ("early_stop_iteration", "early_stop_test_accuracy", "final_test_accuracy"):
        assert render(density_figure(experiments, stem), "png")
