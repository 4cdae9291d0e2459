"""IterativePruningCallback among a configuration's callbacks."""

import shutil
from pathlib import Path

import pytest
from helpers import user_modules
from helpers.command import in_process

OURS = "--trainer.callbacks+=callbacks.IterativePruningCallback"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Where the user's modules are."""
    shutil.copy(user_modules.__file__, tmp_path / "mine.py")
    return tmp_path


def arguments(command: str, epochs: int = 1) -> list[str]:
    model = ["--model", "mine.ResNet", "--data", "mine.Images", "--trainer.accelerator", "cpu"]
    return [command, *model, "--trainer.max_epochs", str(epochs), "--trainer.logger", "false"]


def test_a_fit_trains_the_dense_network_and_says_so(here: Path) -> None:
    # A longer training goes on, and a finished one says what it came to.
    for experiment, callbacks, lengths in (("plain", [], [2]), ("pruned", [OURS], [1, 2, 2])):
        for epochs in lengths:
            ran = in_process(*arguments("fit", epochs), *callbacks, "--experiment", experiment, cwd=here)
            assert (ran.returncode, ran.stderr) == (0, "")
            assert ("prunes between two trainings, and this command is one" in ran.stdout) == bool(callbacks)
            assert "best at iteration" in ran.stdout
    plain, pruned = (here / "runs" / name / "seed_0/metrics.csv" for name in ("plain", "pruned"))
    assert pruned.read_text() == plain.read_text()
    tested = in_process("test", "runs/pruned/seed_0", cwd=here)
    assert (tested.returncode, tested.stderr) == (0, "")


def test_a_fit_without_a_run_directory_says_so_too(here: Path) -> None:
    ran = in_process(*arguments("fit"), OURS, "--trainer.enable_checkpointing", "false", cwd=here)
    assert ran.returncode == 0
    assert "The command lottery prunes" in ran.stdout


def test_a_lottery_refuses_a_second_one_before_it_writes_anything(here: Path) -> None:
    ran = in_process(*arguments("lottery"), OURS, "--experiment", "tickets", cwd=here)
    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert "trainer.callbacks has an IterativePruningCallback, and a lottery has its own; remove it" in line
    assert not (here / "runs").exists()
