"""The table of commands: which there are, what is said of others, the version."""

from pathlib import Path

import pytest
from helpers.command import in_process

from app import __version__
from app.__main__ import PUBLIC, USAGE


@pytest.mark.parametrize("command", ["lotery", "draw", "--verbose", "Fit"])
def test_every_command_is_named_where_one_is_misspelt(command: str, tmp_path: Path) -> None:
    done = in_process(command, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"there is no command {command}" in line
    assert line.endswith(", ".join(PUBLIC))
    assert len(PUBLIC) >= 11
    assert all(name in USAGE for name in PUBLIC)


def test_the_most_similar_command_is_proposed(tmp_path: Path) -> None:
    assert "did you mean lottery?" in in_process("lotery", cwd=tmp_path).stderr


def test_version(tmp_path: Path) -> None:
    done = in_process("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"trees-and-tickets {__version__}\n")


def test_a_worker_is_started_by_a_lottery_only(tmp_path: Path) -> None:
    done = in_process("lottery-worker", cwd=tmp_path)
    assert done.returncode == 2
    assert "started by lottery itself" in done.stderr
