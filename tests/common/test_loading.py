"""The word on a terminal while a command is silent."""

import io

import pytest

from app.common.loading import said_meanwhile

ERASED = "\r\x1b[K"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def use(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it stderr; in the test itself, because pytest has its own again after fixtures."""
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")


def test_it_is_shown_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    use(terminal := Terminal(), monkeypatch)
    with said_meanwhile("drawing ..."):
        assert terminal.getvalue() == "drawing ...\r"
    assert terminal.getvalue() == f"drawing ...\r{ERASED}"


def test_it_is_erased_once(monkeypatch: pytest.MonkeyPatch) -> None:
    use(terminal := Terminal(), monkeypatch)
    with said_meanwhile() as erase:
        erase()
        terminal.write("what the command prints")
        erase()
    assert terminal.getvalue() == f"loading ...\r{ERASED}what the command prints"


def test_an_error_leaves_no_word_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    use(terminal := Terminal(), monkeypatch)
    with pytest.raises(ValueError, match="wrong"), said_meanwhile():
        raise ValueError("wrong")
    assert terminal.getvalue().endswith(ERASED)


@pytest.mark.parametrize(
    ("name", "value"), [("TERM", "dumb"), ("LOCAL_RANK", "1"), ("RANK", "3"), ("SLURM_PROCID", "1")]
)
def test_other_terminals_and_other_ranks_get_no_word(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use(terminal := Terminal(), monkeypatch)
    monkeypatch.setenv(name, value)
    with said_meanwhile():
        pass
    assert terminal.getvalue() == ""


def test_a_file_gets_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    use(file := io.StringIO(), monkeypatch)
    with said_meanwhile():
        pass
    assert file.getvalue() == ""
