"""What a mistake in reporting trainings by `fit` gets: one line, exit code 2, and nothing written."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.fits import SCORES, write_fit, write_notes, write_rows
from helpers.made_up_run import write_run

from app import __main__
from app.common.metrics import loss
from app.report import report
from app.runs.layout import FitLayout, NetworkKey, RunLayout
from app.runs.schema import write_schema


def first_cell(column: str, text: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        path = FitLayout(run).metrics
        header, first, *rest = csv.reader(path.read_text().splitlines())
        first[header.index(column)] = text
        path.write_text("".join(",".join(row) + "\n" for row in (header, first, *rest)))

    return change


def text_of(name: str, text: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text(text)

    return change


def header_only(run: Path) -> None:
    path = FitLayout(run).metrics
    path.write_text(path.read_text().splitlines(keepends=True)[0])


def without(name: str) -> Callable[[Path], None]:
    return lambda run: (run / name).unlink()


def without_anything(run: Path) -> None:
    for path in run.iterdir():
        path.unlink()


def note(**changes: object) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        path = FitLayout(run).report
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def loss_below_0(run: Path) -> None:
    """A loss has a least value where the module declares it."""
    write_schema(FitLayout(run), [loss("val_loss")])
    first_cell("val_loss", "-1")(run)


def another_seed(**options: object) -> Callable[[Path], None]:
    return lambda run: write_fit(run.parents[1], "e", 1, 2, **options) and None


def other_columns(run: Path) -> None:
    other = write_fit(run.parents[1], "e", 1, 2)
    write_rows(other, [{"iteration": 693, "val_loss": 2.0}])


def refused(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr("warnings.showwarning", None)
    assert __main__.main(arguments) == 2
    stderr = capsys.readouterr().err
    assert len(stderr.splitlines()) == 1
    return stderr


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without("metrics.csv"), "seed_0/metrics.csv: no such file; has anything been trained there yet"),
        (text_of("metrics.csv", ""), "seed_0/metrics.csv: no validation in it yet"),
        (header_only, "seed_0/metrics.csv: no validation in it yet"),
        (without("report.json"), "seed_0/report.json: no such file"),
        (without_anything, "seed_0/metrics.csv: no such file"),
        (first_cell("val_loss", "much"), "metrics.csv, line 2: not a row of this table"),
        (loss_below_0, "expected a finite number from 0 up"),
        (text_of("schema.json", "{}"), "schema.json: not a schema"),
        (first_cell("val_perplexity", "0.5"), "val_perplexity is 0.5 at iteration"),
        (first_cell("uf1_layer_1", "101"), "uf1_layer_1 is 101.0 at iteration"),
        (first_cell("iteration", "99999"), "after 99999; was it edited by hand"),
        (first_cell("iteration", "-7"), "iteration -7; was it edited by hand"),
        (first_cell("iteration", "7,8"), "metrics.csv, line 2: not a row of this table"),
        (text_of("metrics.csv", "iteration,loss\n1,2\n"), "metrics.csv: no column val_loss"),
        (text_of("metrics.csv", "a,val_loss\n1,2\n"), "metrics.csv, line 2: not a row"),
        (text_of("report.json", "{"), "report.json: not the report of a training (not JSON"),
        (text_of("report.json", "[]"), "report.json: not the report of a training"),
        (note(seed=None), "report.json: not the report of a training"),
        (note(checksums={}), "report.json: not the report of a training"),
        (note(versions=["2.13"]), "report.json: not the report of a training"),
        (another_seed(every=1500), "e: seeds 0 and 1 were validated at other iterations (69"),
        (other_columns, "e: only some of its seeds have val_perplexity; report them apart"),
        (text_of("parse/scores.csv", ""), "parse/scores.csv: not the scores that parse writes"),
        (text_of("parse/scores.csv", SCORES.replace("0.5447", "54.47")), "54.47 is not between 0 and 1"),
        (text_of("parse/scores.csv", SCORES.replace("0.5447", "most")), "parse/scores.csv: not the scores"),
        (text_of("parse/scores.csv", "\n".join(SCORES.splitlines()[:2])), "parse/scores.csv: not the scores"),
        (text_of("parse/scores.csv", SCORES.replace("10,558,1.0", "10,557,1.0")), "parse/scores.csv: not the scores"),
    ],
)
def test_a_broken_training_gets_one_line_and_nothing_is_written(
    spoil, said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run = write_fit(tmp_path, "e", validations=2)
    spoil(run)
    assert said in refused(["report", str(run.parent), "--out", str(tmp_path / "out")], monkeypatch, capsys)
    assert not (tmp_path / "out").exists()


def test_directories_that_do_not_go_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run = write_fit(tmp_path, "e", validations=1)
    write_run(tmp_path / "lottery", rounds=1, replicates=1)
    (tmp_path / "empty").mkdir()
    network = RunLayout(tmp_path / "lottery").network(NetworkKey(0, "dense", 0))
    for arguments, said in (
        (
            [tmp_path / "empty"],
            "empty: neither a lottery's run directory (no results.csv) nor one of fit (no metrics.csv",
        ),
        ([network.root], "round_00/report.json: no such file; report on a network when it is finished"),
        ([run, tmp_path / "e"], "seed 0 of experiment 'e' stands in"),
        ([run, tmp_path / "nowhere"], "nowhere: no such run directory"),
    ):
        assert said in refused(["report", *map(str, arguments)], monkeypatch, capsys)
    assert not list(tmp_path.rglob("report.html"))


@pytest.mark.parametrize("value", ["", "inf", "nan"])
@pytest.mark.parametrize("name", ["val_loss", "val_perplexity"])
@pytest.mark.parametrize("row", [1, -1])
def test_values_that_are_not_finite_are_left_out(
    name: str, value: str, row: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Those of a training that diverges, or of a metric that is not defined: nobody has edited them."""
    if value == "nan":  # read as where there is nothing
        request.getfixturevalue("unpainted")
    run = write_fit(tmp_path, "e", validations=3)
    lines = FitLayout(run).metrics.read_text().splitlines()
    cells = lines[row].split(",")
    cells[lines[0].split(",").index(name)] = value
    lines[row] = ",".join(cells)
    FitLayout(run).metrics.write_text("\n".join(lines) + "\n")
    document = report([run], tmp_path / "out").document
    (section,) = document.sections
    said = " ".join(sentence for sentences in section.findings.by_subject.values() for sentence in sentences)
    assert "nan" not in said
    assert ("not finite" in said) == (row == -1 and name == "val_perplexity")
    assert any(note.startswith("Infinite values") and name in note for note in document.reading) == (value == "inf")


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_training_that_has_diverged_does_not_keep_others_from_a_report(value: float, tmp_path: Path) -> None:
    kept, diverged = write_fit(tmp_path, "e", validations=2), tmp_path / "d/seed_0"
    write_rows(diverged, [{"iteration": 5, "val_loss": value, "val_acc": 0.5}])
    write_notes(diverged)
    document = report([diverged, kept], tmp_path / "out").document
    assert [section.name for section in document.sections] == [report([kept], tmp_path / "x").document.sections[0].name]
    (note,) = [note for note in document.reading if note.startswith("Left out")]
    assert str(diverged) in note


def test_a_training_without_any_value_of_what_decides_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path / "e/seed_0", [{"iteration": 5, "val_loss": math.nan, "val_acc": 0.5}])
    write_notes(tmp_path / "e/seed_0")
    said = refused(["report", str(tmp_path / "e")], monkeypatch, capsys)
    assert "no validation has a value of val_loss" in said
    assert "edited" not in said


def test_a_range_that_follows_from_a_name_is_not_taken_for_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path / "e/seed_0", [{"iteration": 5, "val_loss": 1.0, "val_acc": 87.5}])
    write_notes(tmp_path / "e/seed_0")
    said = refused(["report", str(tmp_path / "e")], monkeypatch, capsys)
    assert "val_acc is 87.5 at iteration 5, expected a number from 0 to 1; its range follows from its name" in said
    assert "edited" not in said


@pytest.mark.usefixtures("unpainted")
def test_a_training_that_was_stopped_says_where(tmp_path: Path) -> None:
    run = write_fit(tmp_path, "e", validations=2)
    write_notes(run, complete=False, iterations=1400)
    (section,) = report([run], tmp_path / "out").document.sections
    assert section.extent.endswith("Stopped before the full length: seed 0 at iteration 1,400.")
