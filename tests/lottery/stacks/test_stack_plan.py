"""What a plan says of networks that are trained at once."""

from pathlib import Path

from helpers.command import REPOSITORY, in_process, needs_digits

CONFIG = ("--config", str(REPOSITORY / "configs/quickstart.yaml"))


@needs_digits
def test_groups_and_time(tmp_path: Path) -> None:
    """Dense twice, then the tickets beside the controls of the round before, and last those of the last round."""
    short = ("--trainer.max_steps", "4", "--trainer.val_check_interval", "2", "--trainer.logger", "false")
    ended = in_process("lottery", *CONFIG, *short, "--pruning.stack", "9", "--pruning.plan", "true", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    (line,) = [line for line in ended.stdout.splitlines() if "at once" in line]
    assert line.startswith("time to go with up to 9 at once, in 8 groups: 0:")
    assert not list(tmp_path.rglob("replicate_*"))
