"""Progress bars: shown on a terminal and gone afterwards, silent elsewhere."""

import pytest

from app.commands.progress import progress


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
