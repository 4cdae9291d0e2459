"""Which validation is the best, and what that choice reaches: best.ckpt, report.json, status and the report."""

import json
import math
from pathlib import Path

import pytest
import torch
from helpers.command import in_process
from helpers.tiny_text import write_tiny_text
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.common.metrics import Metric, Schema
from app.runs.best_validation import BestValidation, configured_best
from app.runs.table import read_metrics

COLUMN = "val_perplexity"


@given(st.lists(st.one_of(st.integers(-3, 3), st.just(math.nan)), min_size=1), st.sampled_from(["min", "max"]))
def test_it_is_the_first_that_no_other_beats(values: list[float], mode) -> None:
    rows = [{"number": number, "x": value} for number, value in enumerate(values)]
    found = BestValidation(monitor="x", mode=mode).of(rows)
    measured = [value for value in values if not math.isnan(value)]
    if measured:
        assert found["number"] == values.index((min if mode == "min" else max)(measured))
    else:
        assert found is rows[0]


def test_what_a_configuration_says() -> None:
    assert configured_best({}) == BestValidation(monitor="val_loss", mode="min")
    assert configured_best({"best": {"monitor": "x", "mode": "max"}}) == BestValidation(monitor="x", mode="max")
    for wrong in ({"metric": "x"}, {"mode": "most"}, "val_loss"):
        with pytest.raises(UserError, match="expected"):
            configured_best({"best": wrong})


@pytest.mark.parametrize(
    ("monitor", "right", "declared"),
    [
        ("val_accuracy", "max", ()),
        ("val_loss", "min", ()),
        ("val_x", "max", (Metric(name="val_x", better="higher"),)),
        ("val_accuracy", "min", (Metric(name="val_accuracy", better="lower"),)),
    ],
)
def test_the_worst_is_never_taken_for_the_best(monitor: str, right, declared: tuple[Metric, ...]) -> None:
    BestValidation(monitor=monitor, mode=right).check_direction(Schema(declared))
    with pytest.raises(UserError, match=rf"add --best\.mode {right}"):
        BestValidation(monitor=monitor, mode="min" if right == "max" else "max").check_direction(Schema(declared))


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_metric_of_no_known_direction_goes_either_way(mode) -> None:
    BestValidation(monitor="val_x", mode=mode).check_direction(Schema())


@pytest.fixture(scope="module")
def worst(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that takes its highest perplexity for the best, which is refused otherwise."""
    directory = tmp_path_factory.mktemp("best")
    write_tiny_text(directory)
    fit = ("fit", "--config", "tiny.yaml", "--best.monitor", COLUMN, "--best.mode", "max", "--trainer.max_epochs", "3")
    refused = in_process(*fit, cwd=directory)
    assert refused.returncode == 2
    assert refused.stderr.endswith(f"{COLUMN}, which is better the lower; add --best.mode min\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BestValidation, "check_direction", lambda self, schema: None)
        done = in_process(*fit, cwd=directory)
    assert done.returncode == 0, done.stderr
    return directory / "runs/tiny/seed_3"


def test_best_ckpt_and_report_json(worst: Path) -> None:
    rows = read_metrics(worst / "metrics.csv")
    highest = max(rows, key=lambda row: row[COLUMN])
    assert highest is not min(rows, key=lambda row: row["val_loss"])
    assert torch.load(worst / "best.ckpt", weights_only=True)["global_step"] == highest["iteration"]
    assert json.loads((worst / "report.json").read_text())["best"] == highest


def test_status_and_report_say_so(worst: Path) -> None:
    highest = max(row[COLUMN] for row in read_metrics(worst / "metrics.csv"))
    status = in_process("status", "runs/tiny", cwd=worst.parents[2])
    assert f"best at highest {COLUMN}" in status.stdout
    assert f"/ {highest:,.2f}" in status.stdout
    report = in_process("report", "runs/tiny", cwd=worst.parents[2])
    assert report.returncode == 0, report.stderr


def test_a_directory_from_before_the_option_goes_on(tmp_path: Path) -> None:
    write_tiny_text(tmp_path)
    fit = ("fit", "--config", "tiny.yaml", "--trainer.max_epochs")
    assert in_process(*fit, "1", cwd=tmp_path).returncode == 0
    config = tmp_path / "runs/tiny/seed_3/config.yaml"
    text = config.read_text()
    config.write_text(text.replace("best:\n  monitor: val_loss\n  mode: min\n", ""))
    assert config.read_text() != text
    done = in_process(*fit, "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fit", "--config", "tiny.yaml", "--runs", "other", "--best.monitor", "val_f1"), "best.monitor is 'val_f1'; "),
        (("fit", "--config", "tiny.yaml", "--runs", "other", "--best.mode", "most"), "best.mode"),
        (("fit", "--config", "tiny.yaml", "--best.monitor", "val_loss"), "best.monitor: val_perplexity -> val_loss"),
    ],
)
def test_a_mistake_gets_one_line(worst: Path, arguments: tuple[str, ...], said: str) -> None:
    done = in_process(*arguments, cwd=worst.parents[2])
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
