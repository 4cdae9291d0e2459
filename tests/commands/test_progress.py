"""Progress bars: shown on a terminal and gone afterwards, silent elsewhere."""

import io
import re

import pytest
from rich.progress import Progress

from app.commands.progress import RemainingColumn, progress
from app.common.lines import fold, print_line, print_to_stderr


def test_a_terminal_sees_the_steps(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("TERM", "xterm")
    with progress() as bars:
        task = bars.add_task("parsing sentences", total=3)
        bars.advance(task, 2)
        bars.refresh()
    said = capsys.readouterr()
    assert "parsing sentences" in said.err
    assert "2/3" in said.err
    assert said.out == ""


def test_nothing_is_written_to_a_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("TTY_COMPATIBLE", raising=False)
    monkeypatch.delenv("TTY_INTERACTIVE", raising=False)
    with progress() as bars:
        assert list(bars.track(range(3), description="baselines")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("TERM", "xterm")


def test_bars_of_a_part_are_gone_after_it(terminal: None, capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as bars:
        whole = bars.add_task("networks", total=2)
        for _ in range(2):
            with progress(bars) as same:
                assert same is bars
                bars.add_task("parsing sentences", total=5)
                assert len(bars.task_ids) == 2
            assert bars.task_ids == [whole]
    assert "networks" in capsys.readouterr().err


def test_what_is_printed_meanwhile_is_on_standard_output(terminal: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Here it is no terminal, as where it is sent to a file."""
    with progress() as bars:
        bars.add_task("networks", total=2)
        print_line("one of two is done")
    assert capsys.readouterr().out == "one of two is done\n"


def test_the_time_left_is_known_of_steps_that_take_minutes() -> None:
    now = 0.0
    bars = Progress(get_time=lambda: now)
    bars.add_task("networks", total=4)
    (task,) = bars.tasks
    column = RemainingColumn()
    now = 100.0
    assert column.render(task).plain == ""
    bars.advance(task.id)
    now = 200.0
    bars.advance(task.id)
    assert column.render(task).plain == "· 0:03:20 left"
    bars.advance(task.id, 2)
    assert column.render(task).plain == ""


def test_what_is_printed_above_bars_is_folded_as_without_them(terminal: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out, err = Terminal(), Terminal()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setenv("COLUMNS", "40")
    line = "replicate 0, dense, round 0 · UF1 layer 1 22.7, layer 2 24.8 %"
    print_line(line)
    with progress() as bars:
        bars.add_task("networks", total=2)
        print_line(line)
    assert out.getvalue() == f"{fold(line, 40)}\n"
    assert len(out.getvalue().splitlines()) == 2
    shown = re.sub(r"\x1b\[[\d;?]*\w|\r", "", err.getvalue())
    assert all(each in shown for each in out.getvalue().splitlines(keepends=True))


@pytest.mark.parametrize("on_terminal", [True, False])
def test_errors_are_folded_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch, on_terminal: bool) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return on_terminal

    err = Terminal()
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setenv("COLUMNS", "40")
    line = "error: runs/x/config.yaml: pruning.rounds is 3.5; expected a whole number of rounds from 0 on"
    print_to_stderr(line)
    if not on_terminal:
        assert err.getvalue() == f"{line}\n"
        return
    said = err.getvalue().splitlines()
    assert len(said) > 1
    assert max(map(len, said)) <= 40
    assert " ".join(each.strip() for each in said) == line, "broken between words alone"
