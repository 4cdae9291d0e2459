"""`fit` without an experiment: Lightning's own training, beside which nothing of the user's is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb
import yaml
from helpers.command import in_process
from helpers.workers import TINY


@pytest.fixture(autouse=True)
def _no_run_is_left() -> Iterator[None]:
    """Lightning leaves its run open to the end of the process, and another test's logger would be warned of it."""
    yield
    wandb.finish()


FIT = ("fit", *TINY[TINY.index("--model") : TINY.index("--pruning.rounds")], "--trainer.max_steps", "3")
MINE = "# my own\nexperiment: mine\n"


def loggers(name: str) -> tuple[str, ...]:
    return {
        "none": ("--trainer.logger", "false"),
        "W&B": (),
        "CSV": ("--trainer.logger", "CSVLogger", "--trainer.logger.save_dir", "logs"),
    }[name]


@pytest.mark.parametrize("logger", ["none", "W&B"])
def test_a_file_of_the_user_s_is_left_as_it_is(tmp_path: Path, logger: str) -> None:
    (tmp_path / "config.yaml").write_text(MINE)
    done = in_process(*FIT, *loggers(logger), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "config.yaml").read_text() == MINE
    assert "config.yaml is there already and stays as it is" in done.stderr


def test_the_configuration_is_saved_where_nothing_is_there(tmp_path: Path) -> None:
    for _ in range(2):  # the second time it is the same
        done = in_process(*FIT, *loggers("none"), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "config.yaml" not in done.stderr
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["trainer"]["max_steps"] == 3
    done = in_process(*FIT, *loggers("none"), "--trainer.max_steps", "2", cwd=tmp_path)
    assert "stays as it is, so that the configuration of this training is not saved" in done.stderr
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["trainer"]["max_steps"] == 3


def test_a_logger_with_directories_of_its_own_has_one_for_each(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(MINE)
    for number in range(2):
        done = in_process(*FIT, *loggers("CSV"), cwd=tmp_path)
        assert (done.returncode, "config.yaml" in done.stderr) == (0, False), done.stderr
        assert (tmp_path / f"logs/lightning_logs/version_{number}/config.yaml").exists()


@pytest.mark.parametrize(
    ("command", "path"),
    [
        *(("test", ()), ("validate", ()), ("predict", ())),
        *(("test", ("--ckpt_path", "best")), ("test", ("--ckpt_path", "last"))),
    ],
)
def test_an_untrained_network_is_not_measured(tmp_path: Path, command: str, path: tuple[str, ...]) -> None:
    (tmp_path / "mine.yaml").write_text(in_process(*FIT, "--print_config", cwd=tmp_path).stdout)
    done = in_process(command, "--config", "mine.yaml", *path, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert f"{command} needs a trained network: give its run directory" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_dry_run_needs_no_weights(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(in_process(*FIT, "--print_config", cwd=tmp_path).stdout)
    done = in_process("test", "--config", "mine.yaml", "--trainer.fast_dev_run", "true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_its_own_checkpoint_is_measured(tmp_path: Path) -> None:
    assert in_process(*FIT, *loggers("CSV"), "--trainer.val_check_interval", "3", cwd=tmp_path).returncode == 0
    (checkpoint,) = tmp_path.rglob("*.ckpt")
    (tmp_path / "mine.yaml").write_text(in_process(*FIT, "--print_config", cwd=tmp_path).stdout)
    done = in_process("test", "--config", "mine.yaml", "--ckpt_path", str(checkpoint), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "test_accuracy" in done.stdout
