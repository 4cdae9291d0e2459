import hashlib
import logging
import socket
import stat
import tempfile
import time
from io import StringIO

import pooch
import pytest
from rich.console import Console

from app.common.errors import UserError
from datamodules.download import fetch

NAME, CONTENT = "digits.gz", bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
CLOSED = "http://127.0.0.1:9/"  # the discard port: nobody answers


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where temporary files go during the test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_the_first_mirror_that_has_the_file_right_is_used(serve, scratch, tmp_path):
    wrong, cut = serve({NAME: CONTENT[:-1] + b"x"}), serve({NAME: CONTENT}, cut_short=True)
    absent, good = serve({}), serve({NAME: CONTENT})
    directory = tmp_path / "not" / "there"
    path = fetch(NAME, SHA256, [wrong, cut, absent, CLOSED, good], directory, progressbar=False)
    assert path == directory / NAME
    assert path.read_bytes() == CONTENT
    assert list(directory.iterdir()) == [path]
    assert list(scratch.iterdir()) == []


def test_a_mirror_after_the_right_one_is_not_asked(serve, scratch, tmp_path):
    fetch(NAME, SHA256, [serve({NAME: CONTENT}), "nonsense://"], tmp_path / "raw", progressbar=False)
    assert (tmp_path / "raw" / NAME).read_bytes() == CONTENT


def test_when_no_mirror_has_it_one_line_says_why_and_nothing_is_left(serve, scratch, tmp_path):
    mirrors = [serve({NAME: b"wrong"}), serve({}), serve({NAME: CONTENT}, cut_short=True), CLOSED]
    with pytest.raises(UserError) as caught:
        fetch(NAME, SHA256, mirrors, tmp_path / "raw", progressbar=False)
    message = str(caught.value)
    hosts = [mirror.removeprefix("http://").rstrip("/") for mirror in mirrors]
    for host, reason in zip(hosts, ("wrong checksum", "HTTP 404", "ConnectionError", "ConnectionError"), strict=True):
        assert f"{host}: {reason}" in message.replace("ChunkedEncodingError", "ConnectionError")
    assert f"put the file into {tmp_path / 'raw'} yourself" in message
    assert "\n" not in message
    assert not (tmp_path / "raw").exists()
    assert list(scratch.iterdir()) == []


def test_an_interrupted_download_leaves_nothing(serve, scratch, tmp_path, monkeypatch):
    def interrupted(*_, path, fname, **__):
        (scratch / path / fname).write_bytes(CONTENT[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr("pooch.retrieve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(NAME, SHA256, [CLOSED], tmp_path / "raw", progressbar=False)
    assert not (tmp_path / "raw").exists()
    assert list(scratch.iterdir()) == []


def test_a_silent_mirror_is_given_up(scratch, tmp_path):
    started = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and never answers
        mirror = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(UserError, match="ReadTimeout"):
            fetch(NAME, SHA256, [mirror], tmp_path / "raw", timeout=0.1, progressbar=False)
    assert time.monotonic() - started < 10


def test_nothing_but_the_progress_bar_is_printed(serve, scratch, tmp_path, capfd, monkeypatch):
    log = StringIO()  # in place of stderr as it was when pooch was imported
    monkeypatch.setattr(pooch.get_logger(), "handlers", [logging.StreamHandler(log)])
    mirror = serve({NAME: CONTENT})
    fetch(NAME, SHA256, [mirror], tmp_path / "quiet", progressbar=False)
    assert capfd.readouterr() == ("", "")
    fetch(NAME, SHA256, [mirror], tmp_path / "bar", progressbar=True)
    out, err = capfd.readouterr()
    assert (out, log.getvalue()) == ("", "")
    assert err == f"downloading {NAME}, 0.3 MB\n"


def test_a_terminal_gets_a_bar(serve, scratch, tmp_path, monkeypatch):
    screen = Console(file=StringIO(), force_terminal=True, width=80)
    monkeypatch.setattr("datamodules.download.Console", lambda **_: screen)
    fetch(NAME, SHA256, [serve({NAME: CONTENT})], tmp_path / "bar", progressbar=True)
    assert "256.0/256.0 kB" in screen.file.getvalue()


def test_the_file_has_ordinary_permissions(serve, scratch, tmp_path):
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    path = fetch(NAME, SHA256, [serve({NAME: CONTENT})], tmp_path / "raw", progressbar=False)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_a_directory_that_is_a_file_is_refused(serve, scratch, tmp_path):
    (tmp_path / "raw").write_text("mine")
    with pytest.raises(UserError, match=r"cannot be written .* choose another data_dir"):
        fetch(NAME, SHA256, [serve({NAME: CONTENT})], tmp_path / "raw", progressbar=False)
    assert (tmp_path / "raw").read_text() == "mine"


def test_no_mirrors_at_all_is_said(tmp_path):
    with pytest.raises(UserError, match="none is given"):
        fetch(NAME, SHA256, [], tmp_path)
