"""Two commands log one experiment to W&B, one of them is killed, and every row and ticket is in its files once."""

import os
import signal
from pathlib import Path

import pytest
import wandb
from helpers import wandb_offline
from helpers.command import forked, in_process
from helpers.waiting import wait_until
from helpers.workers import TINY, wait_until_free

from app.runs.layout import RunLayout
from app.runs.lock import held_by

COMMAND = (
    *TINY,
    *("--trainer.max_steps", "600", "--trainer.val_check_interval", "50", "--pruning.replicates", "1"),
    *("--trainer.logger", "app.training.RoundsWandbLogger", "--trainer.logger.artifacts", "true"),
)
TICKETS, CONTROLS = (
    ("--pruning.only.methods", methods) for methods in ("[dense, iterative]", "[one_shot, random_reinit]")
)


def trains_a_ticket(run: RunLayout, process: int) -> bool:
    """Whether a process trains a ticket now, and W&B has a file of the networks before it."""
    owners = [held_by(path) for path in run.root.rglob("round_0[12]/**/.lock")]
    return bool(wandb_offline.files(run.root)) and any(owner and owner.process == process for owner in owners)


def has_ended(process: int) -> bool:
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of a process: not on Windows")
@pytest.mark.parametrize(("first", "second"), [(TICKETS, CONTROLS), ((), ())], ids=["parts", "whole"])
def test_one_of_two_commands_is_killed(tmp_path: Path, first: tuple[str, ...], second: tuple[str, ...]) -> None:
    run, log = RunLayout(tmp_path / "runs/tiny"), tmp_path / "log"
    environment = {"WANDB_MODE": "offline", "WANDB_DATA_DIR": str(tmp_path)}
    victim, other = (forked(*COMMAND, *part, cwd=tmp_path, log=log, **environment) for part in (first, second))
    wait_until(lambda: trains_a_ticket(run, victim) or has_ended(victim) or has_ended(other))
    assert not has_ended(victim), f"it has ended before it could be killed: {log.read_text()[-3000:]}"
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
    os.waitpid(other, 0)
    wait_until_free(run)
    last = in_process(*COMMAND, cwd=tmp_path, **environment)
    wandb.teardown()
    assert (last.returncode, last.stderr) == (0, ""), log.read_text()[-3000:]
    wandb_offline.check_lottery(run.root)
    names = [f"tiny-replicate_0-{name}" for name in ("iterative", "one_shot", "random_reinit-0")]
    assert wandb_offline.tickets(run.root) == sorted(
        [("tiny-replicate_0-dense", 0), *((name, round_) for name in names for round_ in (1, 2))]
    )
