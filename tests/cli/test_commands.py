"""The table of commands: which there are, what is said of others, the version."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers.command import in_process

from app import __version__
from app.__main__ import COMMANDS, PUBLIC, USAGE, console, main
from app.cli.completion import OTHERS

needs_shtab = pytest.mark.skipif(find_spec("shtab") is None, reason="completion: the extra `completion`")


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


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_ends_a_command_without_a_word(tmp_path: Path, unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(
        [sys.executable, "-m", "app", "--help"], stdout=writer, stderr=subprocess.PIPE, env=environment, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_rich_meets_a_closed_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: list[str]) -> None:
        try:
            raise BrokenPipeError
        except BrokenPipeError:
            raise SystemExit(1)  # noqa: B904  as rich has it, with the reason as its context alone

    monkeypatch.setitem(COMMANDS, "status", closed)
    assert main(["status"]) == 141


def test_a_worker_is_started_by_a_lottery_only(tmp_path: Path) -> None:
    done = in_process("lottery-worker", cwd=tmp_path)
    assert done.returncode == 2
    assert "started by lottery itself" in done.stderr


@needs_shtab
def test_completion_knows_all_commands_and_their_options(tmp_path: Path) -> None:
    done = in_process("completion", "bash", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for name in (*PUBLIC, "--trainer.max_epochs", "--pruning.rates", "--model", "--only", "--score"):
        assert re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", done.stdout), name


@needs_shtab
def test_completion_is_what_bash_understands(tmp_path: Path) -> None:
    (tmp_path / "complete.bash").write_text(in_process("completion", "bash", cwd=tmp_path).stdout)
    words = 'COMP_WORDS=(trees-and-tickets lo); COMP_CWORD=1; COMP_LINE="trees-and-tickets lo"; COMP_POINT=20'
    call = "_shtab_trees_and_tickets trees-and-tickets lo trees-and-tickets; echo ${COMPREPLY[@]}"
    script = f"source complete.bash; {words}; {call}"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["lottery"]


@pytest.mark.parametrize("command", ["report", "status", "bench", "import-authors"])
def test_completion_has_the_options_of_commands_with_a_parser_of_their_own(command: str, tmp_path: Path) -> None:
    said = in_process(command, "--help", cwd=tmp_path).stdout.partition("options:")[2]
    assert set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", said, re.MULTILINE)) - {"--help"} == set(OTHERS[command])


def test_the_script_finds_what_lies_in_the_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["trees-and-tickets", "--version"])
    monkeypatch.setattr("sys.path", ["elsewhere"])
    monkeypatch.setattr("warnings.showwarning", None)
    assert console() == 0
    assert sys.path == ["", "elsewhere"]
