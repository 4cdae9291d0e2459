"""How a command starts: what it imports, and the word on a terminal while it does."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command import REPOSITORY, in_process
from helpers.workers import TINY

from app import __main__

# Their imports take seconds.
SLOW = ("torch", "lightning", "wandb", "matplotlib", "jsonargparse")
ERASED = "\r\x1b[K"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a lottery in it, of which one network is finished."""
    directory = tmp_path_factory.mktemp("starting")
    done = in_process(*TINY, "--pruning.only", "{replicates: 0, rounds: 0}", cwd=directory)
    assert done.returncode == 0, done.stderr
    return directory


def imported(command: str, cwd: Path) -> tuple[set[str], "subprocess.CompletedProcess[str]"]:
    """The slow packages that a command has imported in the end, in a process of its own."""
    script = (
        "import atexit, sys; from app.__main__ import main; "
        f"atexit.register(lambda: print(*[name for name in {SLOW} if name in sys.modules], file=sys.stderr)); "
        f"sys.exit(main({command.split()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=cwd, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True
    )
    *_, names = done.stderr.splitlines()
    return set(names.split()), done


@pytest.mark.parametrize(
    ("command", "beginning"),
    [
        ("--help", "usage: python -m app"),
        ("--version", "trees-and-tickets"),
        ("status runs/tiny", "runs/tiny: no process is at work"),
        ("status --help", "usage: python -m app status"),
        ("report --help", "usage: python -m app report"),
        ("export --help", "usage: python -m app export"),
        ("agree --help", "usage: python -m app agree"),
        ("dashboard --help", "usage: python -m app dashboard"),
    ],
)
def test_commands_without_a_model_import_nothing_slow(command: str, beginning: str, directory: Path) -> None:
    names, done = imported(command, directory)
    assert done.returncode == 0, done.stderr
    assert done.stdout.lstrip().startswith(beginning)
    assert names == set()


def test_a_ticket_that_is_not_there_is_told_before_anything_slow_is_imported(directory: Path) -> None:
    names, done = imported("export runs/tiny ticket.safetensors", directory)
    assert (done.returncode, names) == (2, set())
    assert "no network of a lottery" in done.stderr


@pytest.mark.parametrize("command", ["completion fish2", "completion", "completion bash zsh"])
def test_a_shell_that_is_not_known_is_refused_before_anything_slow_is_imported(command: str, tmp_path: Path) -> None:
    names, done = imported(command, tmp_path)
    assert (done.returncode, names) == (2, set())
    assert "completion needs the name of a shell: bash, zsh, tcsh" in done.stderr


def test_status_of_a_directory_from_before_networks_were_recorded(directory: Path) -> None:
    """Their methods say which there are to be; the view is the same."""
    schema = directory / "runs/tiny/schema.json"
    new, text = in_process("status", "runs/tiny", cwd=directory), schema.read_text()
    assert '"networks"' in text
    schema.write_text(text[: text.index(',\n  "networks"')] + "\n}\n")
    old = in_process("status", "runs/tiny", cwd=directory)
    schema.write_text(text)
    assert (old.returncode, old.stderr) == (0, "")
    assert old.stdout == new.stdout


@pytest.mark.parametrize("command", ["fit", "parse", "agree", "stability", "bench", "import-authors"])
def test_a_terminal_says_that_it_is_loading(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the beginning until the command says something itself, here of an option that it does not have."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "argv", ["app", command, "--nonsense"])
    monkeypatch.setattr("warnings.showwarning", None)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")  # so that the line is not folded
    assert __main__.main([command, "--nonsense"]) == 2
    assert terminal.getvalue().startswith(f"loading ...\r{ERASED}error: ")
    assert terminal.getvalue().count("\n") == 1
    assert capsys.readouterr().out == ""
