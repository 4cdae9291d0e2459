"""Lightning's own loggers in trainings with a run directory: each network has a place of its own."""

import logging
from importlib.util import find_spec
from pathlib import Path

import pytest
import wandb
from helpers import wandb_offline
from helpers.command import in_process
from lightning.pytorch.loggers import CSVLogger, WandbLogger

from app.cli.trainer_options import PROFILER
from app.common.errors import UserError
from app.training.rounds_wandb_logger import RoundsWandbLogger
from app.training.users_loggers import check_loggers, name_loggers

TINY = (
    *("--model", "app.modules.Classifier", "--model.net", "helpers.tiny_lottery.TinyNet", "--model.num_classes", "3"),
    *("--data", "helpers.tiny_lottery.Blobs", "--data.batch_size", "30", "--trainer.accelerator", "cpu"),
    *("--experiment", "e", "--trainer.log_every_n_steps", "1"),
)
CSV = ("--trainer.logger", "lightning.pytorch.loggers.CSVLogger", "--trainer.logger.save_dir", "logs")


def logged(cwd: Path) -> set[str]:
    root = cwd / "logs/lightning_logs"
    return {str(path.parent.relative_to(root)) for path in root.rglob("metrics.csv")}


def test_a_fit_logs_under_its_name_and_keeps_what_a_process_before_it_has_logged(tmp_path: Path) -> None:
    monitor = ("--trainer.callbacks", "lightning.pytorch.callbacks.LearningRateMonitor")
    for epochs, names in (("1", {"e/seed_0"}), ("2", {"e/seed_0", "e/seed_0_2"})):
        done = in_process("fit", *TINY, *CSV, *monitor, "--trainer.max_epochs", epochs, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert logged(tmp_path) == names
    assert "lr-Adam" in (tmp_path / "logs/lightning_logs/e/seed_0_2/metrics.csv").read_text()


def test_each_network_of_a_lottery_logs_under_its_name(tmp_path: Path) -> None:
    done = in_process("lottery", *TINY, *CSV, "--trainer.max_epochs", "1", "--pruning.rounds", "2", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    networks = ("round_00", "iterative/round_01", "iterative/round_02")
    assert logged(tmp_path) == {f"e/replicate_0/{name}" for name in networks}


def test_a_version_of_the_users_stays_and_cannot_be_for_a_lottery(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, version="mine")
    name_loggers([logger], "e/seed_0", "e")
    assert logger.version == "mine"
    with pytest.raises(UserError, match="CSVLogger has the version mine, where all networks would be logged"):
        check_loggers([logger])
    check_loggers([CSVLogger(tmp_path), RoundsWandbLogger()])


def test_a_plain_wandb_logger_has_a_run_for_each_network(tmp_path: Path) -> None:
    plain = ("--trainer.logger", "lightning.pytorch.loggers.WandbLogger", "--trainer.logger.offline", "true")
    done = in_process(
        *("lottery", *TINY, *plain, "--trainer.max_epochs", "1", "--pruning.rounds", "1"),
        cwd=tmp_path,
        WANDB_MODE="offline",
    )
    assert done.returncode == 0, done.stderr
    wandb.teardown()
    runs = {wandb_offline.run(path)["display_name"]: path for path in wandb_offline.files(tmp_path)}
    assert set(runs) == {"e/replicate_0/round_00", "e/replicate_0/iterative/round_01"}
    assert {wandb_offline.run(path)["run_group"] for path in runs.values()} == {"e"}
    told = {
        key: value
        for each in wandb_offline.records(runs["e/replicate_0/iterative/round_01"])
        for key, value in each.get("config", {}).get("update", {}).items()
    }
    assert (told["method"], told["round"]) == ("iterative", 1)
    assert 0 < told["density"] < 1
    with pytest.raises(UserError, match="WandbLogger has the run mine, where all networks would be logged"):
        check_loggers([WandbLogger(id="mine", offline=True)])


@pytest.mark.parametrize(("chosen", "used"), [(None, "run"), ("elsewhere", "elsewhere")])
def test_save_dir_of_the_rounds_logger_is_followed(chosen: str | None, used: str) -> None:
    logger = RoundsWandbLogger(save_dir=chosen)
    logger.begin_run(run_id="a", name="n", group="g", save_dir=Path("run"), config={})
    assert logger.save_dir == used


@pytest.mark.skipif(find_spec("tensorboard") is not None, reason="TensorBoard is here")
def test_without_tensorboard_its_logger_is_one_line(tmp_path: Path) -> None:
    board = ("--trainer.logger", "lightning.pytorch.loggers.TensorBoardLogger", "--trainer.logger.save_dir", "logs")
    done = in_process("fit", *TINY, *board, "--trainer.max_epochs", "1", cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "TensorBoardLogger: Neither `tensorboard` nor `tensorboardX` is available" in line


@pytest.mark.skipif(find_spec("psutil") is not None, reason="psutil is here")
def test_a_package_that_a_callback_misses_is_one_line(tmp_path: Path) -> None:
    monitor = ("--trainer.callbacks", "lightning.pytorch.callbacks.DeviceStatsMonitor")
    done = in_process("fit", *TINY, *CSV, *monitor, "--trainer.max_epochs", "1", cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "`DeviceStatsMonitor` cannot log CPU stats as `psutil` is not installed" in line


def test_the_profile_of_a_training_is_printed(tmp_path: Path) -> None:
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger(PROFILER).addHandler(handler)
    try:
        for arguments in ((), ("--trainer.profiler", "simple", "--runs", "profiled")):
            done = in_process(
                "fit", *TINY, "--trainer.logger", "false", "--trainer.max_epochs", "1", *arguments, cwd=tmp_path
            )
            assert done.returncode == 0, done.stderr
            assert len(lines) == bool(arguments)
    finally:
        logging.getLogger(PROFILER).removeHandler(handler)
    assert "run_training_epoch" in lines[0]
