"""Two commands log one experiment to W&B, one of them is killed, and every row and ticket is in its files once."""

import os
import signal
from pathlib import Path

import pytest
from helpers import wandb_offline
from helpers.command import start
from helpers.waiting import wait_until
from helpers.workers import TINY, wait_until_free

from app.runs.layout import RunLayout
from app.runs.lock import held_by

COMMAND = (
    *TINY,
    *("--trainer.max_steps", "600", "--trainer.val_check_interval", "50", "--pruning.replicates", "1"),
    *("--trainer.logger", "app.training.RoundsWandbLogger", "--trainer.logger.artifacts", "true"),
)
PARTS = (
    ("--pruning.only.methods", "[dense, iterative]"),
    ("--pruning.only.methods", "[one_shot, random_reinit]"),
    (),
)


def trains_a_ticket(run: RunLayout, process: int) -> bool:
    """Whether a process trains a network behind another that W&B has a file of."""
    owners = [held_by(path) for path in run.root.rglob("round_0[12]/**/.lock")]
    return bool(wandb_offline.files(run.root)) and any(owner and owner.process == process for owner in owners)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [(PARTS[0], PARTS[1]), (PARTS[2], PARTS[2])], ids=["parts", "whole"])
def test_one_of_two_commands_is_killed(tmp_path: Path, first: tuple[str, ...], second: tuple[str, ...]) -> None:
    run, environment = RunLayout(tmp_path / "runs/tiny"), {"WANDB_MODE": "offline", "WANDB_DATA_DIR": str(tmp_path)}
    victim = start(*COMMAND, *first, cwd=tmp_path, **environment)
    other = start(*COMMAND, *second, cwd=tmp_path, **environment)
    wait_until(lambda: trains_a_ticket(run, victim.pid), victim)
    assert victim.poll() is None, "it has ended before it could be killed"
    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate()
    other.communicate()
    wait_until_free(run)
    last = start(*COMMAND, cwd=tmp_path, **environment)
    _, said = last.communicate()
    assert (last.returncode, said) == (0, "")
    wandb_offline.check_lottery(run.root)
    names = [f"tiny-replicate_0-{name}" for name in ("iterative", "one_shot", "random_reinit-0")]
    assert wandb_offline.tickets(run.root) == sorted(
        [("tiny-replicate_0-dense", 0), *((name, round_) for name in names for round_ in (1, 2))]
    )
