import io
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.made_up_run import METHODS, changed, result, write_run
from rich.console import Console

from app.common.errors import UserError
from app.report import report, summary_table
from app.report.command import main
from app.report.lottery_run import read_lotteries
from app.runs.layout import NetworkKey, RunLayout
from app.runs.schema import RunSchema
from app.runs.table import write_results


@pytest.mark.usefixtures("unpainted")
def test_one_run_reports_into_itself_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_run(tmp_path / "run", rounds=2, replicates=2)
    assert main([str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == f"report: {tmp_path / 'run' / 'report' / 'report.html'}"
    assert "Early stop is earliest at" in said or "No ticket stops earlier" in said
    assert (tmp_path / "run" / "report" / "report.html").is_file()


@pytest.mark.usefixtures("unpainted")
def test_several_experiments_stand_side_by_side(small_run: Path, large_run: Path, tmp_path: Path):
    assert main([str(small_run), str(large_run), "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "report.md").read_text()
    assert text.startswith("# Lottery tickets: small, large\n")
    assert text.index("## small") < text.index("## large")
    assert not (small_run / "report").exists()


def test_parts_of_one_experiment_are_pooled(tmp_path: Path):
    whole = write_run(tmp_path / "whole", rounds=2, replicates=4, experiment="e")
    for name, mine in (("a", (0, 1)), ("b", (2, 3))):
        write_results(tmp_path / name / "results.csv", [row for row in whole if row.replicate in mine])
    (pooled,) = read_lotteries([tmp_path / "a", tmp_path / "b"])
    assert pooled.replicates == 4
    assert sorted(pooled.results, key=str) == sorted(whole, key=str)
    assert pooled.places[NetworkKey(3, "dense", 0)].root == tmp_path / "b/replicate_3/round_00"


def test_two_experiments_in_one_file_stay_apart(tmp_path: Path):
    rows = [result("dense", 0), changed(result("dense", 0), experiment="other")]
    write_results(tmp_path / "results.csv", rows)
    assert [experiment.name for experiment in read_lotteries([tmp_path])] == ["made-up", "other"]


def refused(argv: list[str]) -> str:
    with pytest.raises(UserError) as caught:
        main(argv)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_run():
    assert "no run directory given; name at least one" in refused([])


def test_an_option_that_is_none():
    assert "unrecognized arguments: --colour" in refused(["--colour", "runs/a"])


@pytest.mark.usefixtures("unpainted")
def test_several_runs_report_beside_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for name in ("a", "b"):
        write_run(tmp_path / "runs" / name, rounds=1, replicates=1)
    assert main([str(tmp_path / "runs/a"), str(tmp_path / "runs/b")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {tmp_path / 'runs/report/report.html'}"
    assert not (tmp_path / "runs/a/report").exists()


def test_a_run_given_twice(small_run: Path, tmp_path: Path):
    said = refused([str(small_run), str(small_run), "--out", str(tmp_path)])
    assert "replicate 0, dense, round 0 of experiment 'small'" in said
    assert "give each network once" in said


def test_help_is_not_a_mistake(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "--out DIR" in capsys.readouterr().out


def no_directory(run: Path) -> None:
    run.rename(run.with_name("elsewhere"))


def no_results(run: Path) -> None:
    (run / "results.csv").unlink()


def header_only(run: Path) -> None:
    write_results(run / "results.csv", [])


def nothing_in_it(run: Path) -> None:
    (run / "results.csv").write_text("")


def other_columns(run: Path) -> None:
    (run / "results.csv").write_text("a,b\n1,2\n")


def not_text(run: Path) -> None:
    (run / "results.csv").write_bytes(b"\xff\xfe\x00\x00")


def a_directory(run: Path) -> None:
    no_results(run)
    (run / "results.csv").mkdir()


def with_first_row(**changes: object) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        rows = [result("dense", 0), result("iterative", 1)]
        write_results(run / "results.csv", [changed(rows[0], **changes), rows[1]])

    return change


def no_metrics(run: Path) -> None:
    RunLayout(run).network(NetworkKey(0, "iterative", 1)).metrics.unlink()


def metrics_without_rows(run: Path) -> None:
    path = RunLayout(run).network(NetworkKey(0, "iterative", 1)).metrics
    path.write_text(path.read_text().splitlines(keepends=True)[0])


def metrics_without_accuracy(run: Path) -> None:
    path = RunLayout(run).network(NetworkKey(0, "iterative", 1)).metrics
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *(row.rpartition(",")[0] + "," for row in rows)]) + "\n")


def metrics_out_of_range(run: Path) -> None:
    path = RunLayout(run).network(NetworkKey(0, "iterative", 1)).metrics
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *(row.rpartition(",")[0] + ",97.5" for row in rows)]) + "\n")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_directory, "run: no such run directory"),
        (no_results, "results.csv: no such file"),
        (header_only, "results.csv: no finished network in it yet"),
        (nothing_in_it, "results.csv: has no column experiment"),
        (other_columns, "results.csv: has no column experiment"),
        (not_text, "results.csv, line 1: not UTF-8"),
        (a_directory, "results.csv: cannot be read"),
        (with_first_row(density=0.0), "replicate 0, dense, round 0: density is 0.0"),
        (with_first_row(density=100.0), "density is 100.0"),
        (with_first_row(final_test_accuracy=98.4), "final_test_accuracy is 98.4"),
        (with_first_row(early_stop_iteration=-1), "early_stop_iteration is -1.0, expected a finite number from 0 up"),
        (with_first_row(method="magic"), "magic, round 0: round 0 is the dense network"),
        (with_first_row(seconds=float("inf")), "its seconds are inf"),
        (with_first_row(round=1), "round 0 is the dense network"),
        (no_metrics, "iterative/round_01/metrics.csv: no such file"),
        (metrics_without_rows, "iterative/round_01/metrics.csv: no row"),
        (metrics_out_of_range, "test_accuracy is 97.5 at iteration 0, expected a number from 0 to 1"),
    ],
)
def test_a_broken_run_is_refused_and_nothing_is_written(spoil, said, tmp_path: Path):
    write_run(tmp_path / "run", rounds=1, replicates=1)
    spoil(tmp_path / "run")
    assert said in refused([str(tmp_path / "run"), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("column", ["early_stop_test_accuracy", "final_test_accuracy"])
@pytest.mark.parametrize("which", [0, 1])
def test_values_that_are_not_finite_are_left_out(
    value: float, column: str, which: int, tmp_path: Path, request: pytest.FixtureRequest
):
    """Of a metric that is not defined for a network: nobody has edited them."""
    if math.isnan(value):  # nothing that is not finite reaches a figure, so that one of the two is enough to paint
        request.getfixturevalue("unpainted")
    rows = write_run(tmp_path / "run", rounds=1, replicates=1)
    rows[which] = changed(rows[which], **{column: value})
    write_results(tmp_path / "run/results.csv", rows)
    document = report([tmp_path / "run"], tmp_path / "out").document
    (note,) = [note for note in document.reading if note.startswith("Networks without a number")]
    assert "test accuracy" in note
    assert any("\N{EN DASH}" in row for table in document.sections[0].tables for row in table.rows)
    assert "nan" not in (tmp_path / "out/report.md").read_text()


@pytest.mark.usefixtures("unpainted")
def test_a_metric_that_no_network_has_a_number_of_is_not_shown(tmp_path: Path):
    rows = write_run(tmp_path / "run", rounds=1, replicates=1)
    write_results(
        tmp_path / "run/results.csv", [changed(row, final_test_accuracy=math.nan, seconds=row.seconds) for row in rows]
    )
    document = report([tmp_path / "run"], tmp_path / "out").document
    assert [picture.stem for picture in document.pictures] == ["early_stop_iteration"]


def test_a_curve_without_a_value_is_left_out(tmp_path: Path):
    write_run(tmp_path / "run", rounds=1, replicates=1)
    metrics_without_accuracy(tmp_path / "run")
    assert report([tmp_path / "run"], tmp_path / "out").html.exists()


def printed(results, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(summary_table(results, RunSchema(methods=METHODS)))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_summary_fits_a_terminal(large_run: Path):
    (experiment,) = read_lotteries([large_run])
    lines = printed(experiment.results)
    assert lines[0].startswith("large: early-stop iteration and test accuracy (%) there")
    assert len([line for line in lines if line[:5].strip().isdigit()]) == 21, "one line per round"
    assert max(map(len, lines)) <= 80


def test_summary_of_an_unfinished_run_shows_the_gaps():
    rows = [
        result("dense", 0, early_stop_iteration=5000, early_stop_test_accuracy=0.98),
        result("iterative", 1, early_stop_iteration=4000, early_stop_test_accuracy=0.985),
        result("random_reinit", 2, early_stop_iteration=6000, early_stop_test_accuracy=0.97),
    ]
    cells = [line.split() for line in printed(rows)[-3:]]
    assert cells == [
        ["0", "100", "5,000", "98.00", "5,000", "98.00"],
        ["1", "80.00", "4,000", "98.50", "\N{EN DASH}"],
        ["2", "64.00", "\N{EN DASH}", "6,000", "97.00"],
    ]


def test_a_summary_of_many_methods_is_in_several_tables():
    names = [f"method_number_{number:02d}" for number in range(9)]
    rows = [result("dense", 0), *(result(name, 1, early_stop_test_accuracy=0.91) for name in names)]
    lines = printed(rows)
    assert max(map(len, lines)) <= 80
    assert not any("\N{HORIZONTAL ELLIPSIS}" in line for line in lines)
    assert sum(line.count("91.00") for line in lines) == 9
    assert sum(line.strip().startswith("round") for line in lines) == 3
