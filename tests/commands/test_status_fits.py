"""`python -m app status` of trainings by `fit`."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.fits import classifier_rows, write_fit, write_notes, write_rows

from app import __main__
from app.runs.layout import FitLayout
from app.runs.lock import locked


def status(
    *runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int = 0
) -> tuple[str, list[list[str]]]:
    """What is printed, and the cells of each training's line."""
    monkeypatch.setattr("warnings.showwarning", None)
    monkeypatch.setenv("COLUMNS", "80")
    assert __main__.main(["status", *map(str, runs)]) == code
    said = capsys.readouterr()
    text = said.out if code == 0 else said.err
    lines = [line.strip("│ ").split("│") for line in text.splitlines() if line.startswith("│")]
    return text, [[cell.strip() for cell in line] for line in lines]


def test_one_line_per_seed_the_last_and_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for seed, perplexities in (
        (10, (400.0, 446.25)),
        (2, (300.0, 100.5, 120.0)),
        (33, (9.0,)),
        (1, (9.0,)),
        (21, (9.0,)),
    ):
        rows = [
            {
                "iteration": 700 * n,
                "train_loss": 1.0,
                "val_loss": 0.01 * value,
                "val_perplexity": value,
                "uf1_layer_1": 1.0,
            }
            for n, value in enumerate(perplexities, 1)
        ]
        write_rows(tmp_path / f"e/seed_{seed}", rows)
        write_notes(tmp_path / f"e/seed_{seed}", seed=seed)
    with locked(FitLayout(tmp_path / "e/seed_10")):
        text, lines = status(tmp_path / "e", monkeypatch=monkeypatch, capsys=capsys)
    assert [line[0] for line in lines] == ["1", "2", "10", "21", "33"]
    assert lines[1:3] == [
        ["2", "none", "3", "2,100", "1.2000 / 1.0050", "120.00 / 100.50"],
        ["10", "running", "2", "1,400", "4.4625 / 4.0000", "446.25 / 400.00"],
    ]
    assert "val_loss" in text
    assert "val_perplexity" in text


def test_one_training_and_several_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run = write_fit(tmp_path, "a", 3, 4)
    write_rows(tmp_path / "lenet/seed_0", classifier_rows("c", 3))
    write_notes(tmp_path / "lenet/seed_0")
    text, lines = status(run, tmp_path / "lenet", monkeypatch=monkeypatch, capsys=capsys)
    assert [line[:3] for line in lines] == [["3", "none", "4"], ["0", "none", "3"]]
    assert "val_accuracy" in text
    assert max(len(line) for line in text.splitlines() if str(tmp_path) not in line) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in text, "nothing is cut"


@pytest.mark.parametrize("begun", ["before the first", "header only"])
def test_no_validation_yet(
    begun: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run = write_fit(tmp_path, "a", 0, 1)
    path = FitLayout(run).metrics
    if begun == "header only":
        path.write_text(path.read_text().splitlines(keepends=True)[0])
    else:
        path.unlink()
    _, ((seed, process, validations, *rest),) = status(run, monkeypatch=monkeypatch, capsys=capsys)
    assert (seed, process, validations) == ("0", "none", "0")
    assert not any(rest)


def edited(text: str) -> Callable[[Path], None]:
    return lambda run: FitLayout(run).metrics.write_text(text) and None


def removed(run: Path) -> None:
    FitLayout(run).metrics.unlink()
    FitLayout(run).last.write_bytes(b"")


def not_yaml(run: Path) -> None:
    FitLayout(run).config.write_text("a: [")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (edited(""), "metrics.csv: empty"),
        (edited("iteration,val_loss\n1,low\n"), "metrics.csv, line 2: not a row"),
        (edited("iteration,loss\n1,2\n"), "metrics.csv: no column val_loss"),
        (edited("a,val_loss\n1,2\n"), "metrics.csv, line 2: not a row"),
        (removed, "metrics.csv: no such file, though last.ckpt is there"),
        (not_yaml, "config.yaml: not YAML"),
        (lambda run: FitLayout(run).config.unlink(), "e: no run directory there (no config.yaml)"),
    ],
)
def test_a_mistake_gets_one_line(
    spoil, said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    spoil(write_fit(tmp_path, "e"))
    root = tmp_path / "e" / ("seed_0" if "YAML" in said else "")
    text, _ = status(root, monkeypatch=monkeypatch, capsys=capsys, code=2)
    assert said in text
    assert len(text.splitlines()) == 1


def test_names_are_no_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    run = write_fit(Path("."), "e").rename("[b]")
    text, ((name, *_),) = status(run, monkeypatch=monkeypatch, capsys=capsys)
    assert "[b]: best at least val_loss" in text
    assert name == "[b]"


def test_a_loss_that_is_not_finite_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    write_rows(tmp_path / "e/seed_0", [{"iteration": n, "val_loss": math.nan} for n in (1, 2)])
    write_notes(tmp_path / "e/seed_0")
    _, (line,) = status(tmp_path / "e", monkeypatch=monkeypatch, capsys=capsys)
    assert line[-1] == "\N{EN DASH} / \N{EN DASH}"


def test_a_loss_may_be_below_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The negative log-likelihood of continuous data."""
    write_rows(tmp_path / "e/seed_0", [{"iteration": n, "val_loss": -0.5 * n} for n in (1, 2)])
    write_notes(tmp_path / "e/seed_0")
    _, (line,) = status(tmp_path / "e", monkeypatch=monkeypatch, capsys=capsys)
    assert line[-1] == "-1.0000 / -1.0000"
