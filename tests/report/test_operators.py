"""Reports of logical inference: accuracy against number of operators, drawn, tabled and told."""

from pathlib import Path
from statistics import fmean

import pytest
from helpers.fits import inference_rows, language_rows, made_up, write_fit, write_inference
from helpers.pages import text_boxes
from matplotlib.figure import Figure

from app.common.errors import UserError
from app.plotting.draw import draw
from app.report import report
from app.report.fit_run import FitRun, read_fits
from app.report.operators import (
    by_operators,
    operators_findings,
    operators_pictures,
    operators_tables,
    trained_operators,
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds of one experiment and one of another. Read only."""
    root = tmp_path_factory.mktemp("logic")
    for seed in range(3):
        write_inference(root, "ours", seed)
    write_inference(root, "theirs", falls=0.03)
    return root


def operators_figure(fits: list[FitRun]) -> Figure:
    (picture,) = operators_pictures(fits)
    return draw(picture.source)


def axes_of(figure: Figure):
    ((axes,),) = [part.axes for part in figure.subfigs]
    return axes


def test_points_are_of_the_best_rows(runs: Path):
    (ours,) = read_fits([runs / "ours"])
    points = by_operators(ours)
    assert [point.operators for point in points] == list(range(13))
    assert [point.label for point in points] == [*map(str, range(12)), "12+"]
    for point in points:
        column = f"accuracy_{point.operators:02d}"
        best = [max(fit.rows, key=lambda row: row["val_accuracy"])[column] for fit in ours.trainings]
        assert (point.accuracy.mean, point.accuracy.low, point.accuracy.high, point.accuracy.n) == (
            pytest.approx(fmean(best)),
            min(best),
            max(best),
            3,
        )
        assert point.majority == pytest.approx(0.8 - 0.025 * point.operators)
    by_loss = [min(fit.rows, key=lambda row: row["val_loss"])["accuracy_09"] for fit in ours.trainings]
    assert points[9].accuracy.mean != pytest.approx(fmean(by_loss)), "these rows cannot tell which best was taken"


def test_numbers_of_operators_that_no_pair_has_are_passed_over():
    """As in a systematic split; the last one measured stands for itself alone."""
    points = by_operators(made_up(inference_rows("e", 2, missing=(0, *range(7, 13)))))
    assert [point.label for point in points] == ["1", "2", "3", "4", "5", "6"]


def test_other_trainings_have_none():
    other = made_up(language_rows("e", 2))
    assert by_operators(other) == operators_tables(other) == operators_findings(other) == []


def test_the_figure_has_a_line_for_each_and_one_baseline(runs: Path):
    experiments = read_fits([runs / "ours", runs / "theirs"])
    axes = axes_of(operators_figure(experiments))
    dashed, *lines = [line for line in axes.lines if line.get_linestyle() != "None"]
    assert list(dashed.get_ydata()) == pytest.approx([0.8 - 0.025 * n for n in range(13)])
    drawn = {line.get_color(): list(line.get_ydata()) for line in lines}
    assert list(drawn) == ["#0072B2", "#D55E00"]
    assert len(axes.lines) == 1 + 2 * 3, "one baseline, and two lines with the caps of their bars"
    for heights, experiment in zip(drawn.values(), experiments, strict=True):
        assert heights == [point.accuracy.mean for point in by_operators(experiment)]
    (shade,) = axes.patches
    assert shade.get_x() + shade.get_width() == 6.5
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [*map(str, range(12)), "12+"]
    assert axes.get_ylim()[0] <= 0.5


def test_nothing_is_shaded_where_it_is_not_known():
    assert not axes_of(operators_figure([made_up(inference_rows("e", 2))])).patches


def test_no_text_covers_another(runs: Path):
    figure = operators_figure(read_fits([runs / "ours", runs / "theirs"]))
    boxes = text_boxes(figure)
    assert len(boxes) > 15
    for index, (text, box) in enumerate(boxes):
        assert not [other for other, its in boxes[index + 1 :] if its.overlaps(box)], text


def test_what_was_trained_on_comes_from_the_configurations(tmp_path: Path):
    write_inference(tmp_path, "six")
    write_inference(tmp_path, "three", trained=3)
    six, three = read_fits([tmp_path / "six", tmp_path / "three"])
    assert (trained_operators([six]), trained_operators([three]), trained_operators([six, three])) == (6, 3, None)
    assert trained_operators(read_fits([write_fit(tmp_path, "words")])) is None
    (tmp_path / "six/seed_0/config.yaml").write_text("[1, {")
    with pytest.raises(UserError, match=r"config\.yaml: not YAML"):
        read_fits([tmp_path / "six"])


def test_what_a_systematic_split_holds_out_was_not_trained_on(tmp_path: Path):
    run = write_inference(tmp_path, "held_out")
    (run / "config.yaml").write_text("data: {init_args: {train_operators: 6, systematic: A}}\n")
    (held_out,) = read_fits([run])
    assert trained_operators([held_out]) is None
    assert not operators_findings(held_out)


def test_what_is_said(runs: Path):
    (theirs,) = read_fits([runs / "theirs"])
    points = by_operators(theirs)
    within, beyond = operators_findings(theirs)
    assert within.startswith(f"Up to 6 operators, as trained on: {100 * points[6].accuracy.mean:.2f} % or more")
    assert beyond == (
        f"With more than 6: {100 * points[12].accuracy.mean:.2f} % or more, the least at 12+, where the majority is "
        "50.00 %."
    )
    alt = operators_pictures([theirs])[0].alt
    assert all(f"{100 * point.accuracy.mean:.2f} % at {point.label}" for point in points)
    assert f"{100 * points[3].accuracy.mean:.2f} % at 3," in alt
    (table,) = operators_tables(theirs)
    assert table.rows[12] == (
        "12+",
        f"{100 * points[12].accuracy.mean:.2f}",
        "50.00",
        "1",
    )


def test_the_report_has_it(runs: Path, tmp_path: Path):
    files = report([runs / "ours", runs / "theirs"], tmp_path / "out")
    assert {path.name for path in files.figures} >= {"accuracy_by_operators.png", "accuracy_by_operators.svg"}
    text = files.markdown.read_text()
    assert "](accuracy_by_operators.png)" in text
    assert text.count("test accuracy by number of operators (%), where the validation accuracy is highest") == 2
    assert "| 12+ | " in text


def test_an_accuracy_above_1_is_refused(tmp_path: Path):
    run = write_inference(tmp_path, "e")
    lines = (run / "metrics.csv").read_text().splitlines()
    place = lines[0].split(",").index("accuracy_04")
    cells = lines[1].split(",")
    cells[place] = "1.5"
    (run / "metrics.csv").write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    with pytest.raises(UserError, match=r"accuracy_04 is 1\.5 at iteration 100"):
        read_fits([run])
