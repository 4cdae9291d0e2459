"""What is measured of a trained network is logged into the W&B run of its training."""

from pathlib import Path
from typing import Any

import pytest
import wandb
from helpers import wandb_offline
from helpers.command import in_process
from helpers.tiny_grammar import write_tiny_grammar

from app.runs.layout import NetworkKey, RunLayout
from app.runs.measured_networks import read_scores
from app.runs.network_report import read_report

TINY = (
    *("--model", "app.modules.Classifier", "--model.net", "helpers.tiny_lottery.TinyNet", "--model.num_classes", "3"),
    *("--data", "helpers.tiny_lottery.Blobs", "--data.batch_size", "30", "--trainer.accelerator", "cpu"),
    *("--experiment", "e", "--trainer.max_epochs", "1"),
)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    assert in_process("fit", *TINY, cwd=tmp_path, WANDB_MODE="offline").returncode == 0
    return tmp_path


def test_test_logs_into_the_run_of_a_fit(trained: Path) -> None:
    done = in_process("test", "runs/e/seed_0", cwd=trained, WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr
    in_process("test", "runs/e/seed_0", "--trainer.logger", "false", cwd=trained, WANDB_MODE="offline")
    wandb.teardown()
    begun, measured = wandb_offline.files(trained / "runs/e/seed_0")
    runs = [wandb_offline.run(path) for path in (begun, measured)]
    for name in ("run_id", "display_name", "run_group", "job_type", "project", "tags"):
        assert runs[0][name] == runs[1][name]
    (row,) = wandb_offline.history(measured)
    assert row["test/test_accuracy"] == pytest.approx(wandb_offline.history(begun)[-1]["test_accuracy"])
    assert "test_accuracy" not in row  # of the training, whose best the summary has


def test_test_logs_into_the_run_of_a_lottery(tmp_path: Path) -> None:
    done = in_process("lottery", *TINY, "--pruning.rounds", "1", cwd=tmp_path, WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr
    network = "runs/e/replicate_0/iterative/round_01"
    assert in_process("test", network, cwd=tmp_path, WANDB_MODE="offline").returncode == 0
    wandb.teardown()
    files = [(wandb_offline.run(path), path) for path in wandb_offline.files(tmp_path / "runs/e")]
    ours = [path for run, path in files if run["display_name"] == "replicate_0/iterative"]
    assert len(ours) == 2
    assert len({wandb_offline.run(path)["run_id"] for path in ours}) == 1
    (row,) = wandb_offline.history(ours[1])
    assert row["round"] == 1
    assert 0.5 < row["density"] < 1
    assert 0 <= row["test/test_accuracy"] <= 1


def test_weights_elsewhere_and_wandb_disabled_log_nothing(trained: Path) -> None:
    before = wandb_offline.files(trained / "runs/e/seed_0")
    (trained / "runs/e/seed_0/best.ckpt").rename(trained / "kept.ckpt")
    assert in_process("test", "--ckpt_path", "kept.ckpt", cwd=trained, WANDB_MODE="offline").returncode == 0
    (trained / "kept.ckpt").rename(trained / "runs/e/seed_0/best.ckpt")
    assert in_process("test", "runs/e/seed_0", cwd=trained).returncode == 0
    wandb.teardown()
    assert wandb_offline.files(trained / "runs/e/seed_0") == before
    assert not (trained / "wandb").exists()


@pytest.fixture(scope="module")
def lottery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lottery of a language model of three networks, in three W&B runs, and its files as the trainings left them."""
    directory = tmp_path_factory.mktemp("lottery")
    write_tiny_grammar(directory)
    (directory / "pairs.tsv").write_text("the cat sees a dog\tthe cat a sees dog\n")
    options = ("--pruning.rounds", "2", "--trainer.max_epochs", "1")
    done = in_process("lottery", "--config", "tree.yaml", *options, cwd=directory, WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr
    wandb.teardown()
    return directory


def logged(directory: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """The rows of W&B's files of the lottery, each with its run's name and the file's."""
    found = []
    for path in wandb_offline.files(directory / "runs/tree"):
        name = wandb_offline.run(path)["display_name"]
        found += [(name, path.name, row) for row in wandb_offline.history(path)]
    return found


def tables_of(row: dict[str, Any]) -> list[str]:
    """The names of the tables in a row."""
    return [name.removesuffix("._type") for name, value in row.items() if value == "table-file"]


def test_measures_of_a_whole_lottery_are_in_the_runs_of_its_networks(lottery: Path) -> None:
    run = RunLayout(lottery / "runs/tree")
    before = logged(lottery)
    ids = {name: file for name, file, _ in before}
    commands = {"test": [], "parse": [], "syntax": ["--pairs", "pairs.tsv"]}
    for command, options in commands.items():
        done = in_process(command, "runs/tree", *options, cwd=lottery, WANDB_MODE="offline")
        assert done.returncode == 0, done.stderr
    again = in_process("test", "runs/tree", cwd=lottery, WANDB_MODE="offline")
    assert "3 networks of 3 measured already" in again.stdout
    wandb.teardown()
    new = logged(lottery)[len(before) :]
    assert {name: file for name, file, _ in new} == ids  # the same runs
    # Runs may begin within one second, by which their files are sorted.
    tests = sorted(((name, row) for name, _, row in new if "test/test_loss" in row), key=lambda each: each[1]["round"])
    assert [(name, row["round"]) for name, row in tests] == [
        *(("replicate_0/dense", 0), ("replicate_0/iterative", 1), ("replicate_0/iterative", 2)),
    ]
    keys = [NetworkKey(0, "dense", 0), NetworkKey(0, "iterative", 1), NetworkKey(0, "iterative", 2)]
    for (_, row), key in zip(tests, keys, strict=True):
        (scores,) = read_scores(run.network(key).root / "test/scores.csv")
        assert row["test/test_loss"] == float(scores["test_loss"])
        assert row["density"] == read_report(run.network(key))["density"]
    tables = [(name, table, row[f"{table}.nrows"]) for name, _, row in new for table in tables_of(row)]
    assert sorted((name, table) for name, table, _ in tables) == [
        (name, f"{command}/round_{round:02d}")
        for name, rounds in (("replicate_0/dense", [0]), ("replicate_0/iterative", [1, 2]))
        for command in ("parse", "syntax")
        for round in rounds
    ]
    assert all(rows > 0 for *_, rows in tables)


def test_what_was_measured_without_wandb_is_logged_by_the_next_command(lottery: Path) -> None:
    (lottery / "pairs.tsv").write_text("the old mat likes the dog\tthe mat old likes the dog\n")
    command = ("syntax", "runs/tree", "--pairs", "pairs.tsv")
    before = logged(lottery)
    assert in_process(*command, cwd=lottery).returncode == 0
    assert in_process(*command, "--trainer.logger", "false", cwd=lottery, WANDB_MODE="offline").returncode == 0
    assert logged(lottery) == before
    assert "3 networks of 3 measured already" in in_process(*command, cwd=lottery, WANDB_MODE="offline").stdout
    wandb.teardown()
    new = logged(lottery)[len(before) :]
    assert sorted(table for _, _, row in new for table in tables_of(row)) == [
        *("syntax/round_00", "syntax/round_01", "syntax/round_02"),
    ]
