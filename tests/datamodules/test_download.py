import errno
import fcntl
import hashlib
import os
import socket
import stat
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import StringIO

import pytest
import requests
from rich.console import Console

from app.common.errors import UserError
from datamodules.alone import alone
from datamodules.download import fetch
from datamodules.transfer import Transfer

NAME, CONTENT = "digits.gz", bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MOST = 256_100
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
    path = fetch(NAME, SHA256, [wrong, cut, absent, CLOSED, good], directory, most=MOST, progressbar=False)
    assert path == directory / NAME
    assert path.read_bytes() == CONTENT
    assert list(directory.iterdir()) == [path]
    assert list(scratch.iterdir()) == []


def at_once(get, number=3):
    """What some calls at the same time return or raise; locks of files keep threads apart as they do processes."""
    with ThreadPoolExecutor(number) as pool:
        return [done.exception() or done.result() for done in [pool.submit(get) for _ in range(number)]]


def test_whoever_wants_it_at_the_same_time_waits_for_the_first(serve, tmp_path):
    asked, folder = [], tmp_path / "not" / "there"
    mirror = serve({NAME: CONTENT}, asked=asked)
    arrived = []

    def get():
        return fetch(NAME, SHA256, [mirror], folder, most=MOST, progressbar=False, arrived=arrived.append)

    assert at_once(get) == [folder / NAME] * 3
    assert len(asked) == len(arrived) == 1
    assert list(folder.iterdir()) == [folder / NAME]


def test_whoever_waits_tries_it_where_the_first_has_failed(serve, tmp_path):
    """Which takes away the folder that it has made."""
    asked, folder = [], tmp_path / "not" / "there"
    mirror = serve({}, asked=asked)
    found = at_once(lambda: fetch(NAME, SHA256, [mirror], folder, most=MOST, progressbar=False))
    assert [type(error) for error in found] == [UserError] * 3
    assert len(asked) == 3


def test_many_that_want_the_lock_and_remove_it_have_it_one_after_the_other(tmp_path):
    """Each removes the file and its directories, while others open, lock and make them."""
    directory, inside, most = tmp_path / "a" / "b", [], []

    def have_it_often(_):
        for _ in range(150):
            with alone(directory / "lock", directory / "file"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(have_it_often, range(8)))
    assert len(most) == 1200
    assert set(most) == {1}
    assert not (directory / "lock").exists()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK])
def test_where_files_have_no_locks_nobody_waits(number, serve, monkeypatch, tmp_path):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    path = fetch(NAME, SHA256, [serve({NAME: CONTENT})], tmp_path, most=MOST, progressbar=False)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("rank", "says"), [("0", 1), ("1", 0)])
def test_the_first_of_several_processes_says_that_it_waits(rank, says, serve, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("LOCAL_RANK", rank)
    caplog.set_level("INFO", "datamodules")
    asked = threading.Event()

    def get():
        return fetch(NAME, SHA256, [mirror], tmp_path, most=MOST, progressbar=False, arrived=lambda _: asked.wait())

    mirror = serve({NAME: CONTENT})
    real = fcntl.flock

    def flock(file, operation):
        if not operation & fcntl.LOCK_NB:
            asked.set()  # the second one waits now
        real(file, operation)

    monkeypatch.setattr("fcntl.flock", flock)
    assert at_once(get, 2) == [tmp_path / NAME] * 2
    assert caplog.messages == [f"Another process downloads {tmp_path / NAME}; waiting for it"] * says


def test_a_mirror_that_answers_after_it_was_given_up_changes_nothing(serve, monkeypatch, tmp_path):
    """Another one writes the same file by then."""
    path, answers, get = tmp_path / NAME, threading.Event(), requests.get

    def late(*arguments, **options):
        answers.wait()
        return get(*arguments, **options)

    monkeypatch.setattr(requests, "get", late)
    transfer = Transfer(serve({NAME: CONTENT}) + NAME, path, most=MOST, timeout=60)
    transfer.stop()
    path.write_bytes(b"the other's")
    answers.set()
    assert transfer.wait() is None
    assert path.read_bytes() == b"the other's"


def test_a_mirror_after_the_right_one_is_not_asked(serve, scratch, tmp_path):
    fetch(NAME, SHA256, [serve({NAME: CONTENT}), "nonsense://"], tmp_path / "raw", most=MOST, progressbar=False)
    assert (tmp_path / "raw" / NAME).read_bytes() == CONTENT


def test_when_no_mirror_has_it_one_line_says_why_and_nothing_is_left(serve, scratch, tmp_path):
    mirrors = [serve({NAME: b"wrong"}), serve({}), serve({NAME: CONTENT}, cut_short=True), CLOSED]
    with pytest.raises(UserError) as caught:
        fetch(NAME, SHA256, mirrors, tmp_path / "raw", most=MOST, progressbar=False)
    message = str(caught.value)
    hosts = [mirror.removeprefix("http://").rstrip("/") for mirror in mirrors]
    for host, reason in zip(hosts, ("wrong checksum", "HTTP 404", "ConnectionError", "ConnectionError"), strict=True):
        assert f"{host}: {reason}" in message.replace("ChunkedEncodingError", "ConnectionError")
    assert f"put the file into {tmp_path / 'raw'} yourself" in message
    assert "\n" not in message
    assert not (tmp_path / "raw").exists()
    assert list(scratch.iterdir()) == []


def test_an_interrupted_download_leaves_nothing(serve, scratch, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Transfer, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(NAME, SHA256, [serve({NAME: CONTENT})], tmp_path / "raw", most=MOST, progressbar=False)
    assert not (tmp_path / "raw").exists()
    assert list(scratch.iterdir()) == []


def test_a_silent_mirror_is_given_up(scratch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and never answers
        mirror = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(UserError, match=r"ReadTimeout|less than 16 KB in 0\.2 s"):
            fetch(NAME, SHA256, [mirror], tmp_path / "raw", most=MOST, timeout=0.1, progressbar=False)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["headers", "content"])
def test_a_mirror_that_sends_byte_after_byte_is_given_up(answer, serve, scratch, tmp_path):
    """It would keep its reader waiting for ever; the next mirror is asked instead."""
    given_up = threading.Event()

    def trickle(connection):
        with connection, suppress(OSError):
            connection.sendall(answer)
            while not given_up.wait(0.01):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as slow:
        thread = threading.Thread(target=lambda: trickle(slow.accept()[0]))
        thread.start()
        try:
            mirrors = [f"http://127.0.0.1:{slow.getsockname()[1]}/"]
            with pytest.raises(UserError, match=r"less than 16 KB in 0\.4 s|Timeout"):
                fetch(NAME, SHA256, mirrors, tmp_path / "raw", most=MOST, timeout=0.2, progressbar=False)
            assert not (tmp_path / "raw").exists()
        finally:
            given_up.set()
            thread.join()
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("says", [True, False])
def test_no_more_is_received_than_the_file_can_have(says, serve, scratch, tmp_path):
    """Neither where the mirror says how much there is, nor where it sends without end."""
    mirror = serve({NAME: CONTENT * 100}, says_size=says)
    with pytest.raises(UserError, match=r"127\.0\.0\.1:\d+: more than 256,100 bytes"):
        fetch(NAME, SHA256, [mirror], tmp_path / "raw", most=MOST, progressbar=False)
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize(
    "page", [b"<!DOCTYPE html><p>Sign in", b"\n <HTML><body>", b'\xef\xbb\xbf<?xml version="1.0"?>']
)
def test_a_page_of_a_portal_is_no_data(page, serve, scratch, tmp_path):
    """Without a checksum nothing else tells it from the file."""
    with pytest.raises(UserError, match="a page of HTML"):
        fetch(NAME, None, [serve({NAME: page})], tmp_path / "raw", most=MOST, progressbar=False)
    assert not (tmp_path / "raw").exists()
    good = fetch(NAME, None, [serve({NAME: page}), serve({NAME: b"the <unk>"})], tmp_path, most=MOST, progressbar=False)
    assert good.read_bytes() == b"the <unk>"


def test_a_full_disk_is_not_blamed_on_the_mirror(serve, scratch, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))

    monkeypatch.setattr(Transfer, "_receive", full)
    with pytest.raises(OSError, match="No space left"):
        fetch(NAME, SHA256, [CLOSED, CLOSED], tmp_path / "raw", most=MOST, progressbar=False)
    assert not (tmp_path / "raw").exists()


def test_nothing_but_the_progress_bar_is_printed(serve, scratch, tmp_path, capfd):
    mirror = serve({NAME: CONTENT})
    fetch(NAME, SHA256, [mirror], tmp_path / "quiet", most=MOST, progressbar=False)
    assert capfd.readouterr() == ("", "")
    fetch(NAME, SHA256, [mirror], tmp_path / "bar", most=MOST, progressbar=True)
    fetch(NAME, SHA256, [serve({NAME: CONTENT}, says_size=False)], tmp_path / "again", most=MOST, progressbar=True)
    assert capfd.readouterr() == ("", f"downloading {NAME}, 0.3 MB\ndownloading {NAME}\n")


def test_a_terminal_gets_a_bar(serve, scratch, tmp_path, monkeypatch):
    screen = Console(file=StringIO(), force_terminal=True, width=80)
    monkeypatch.setattr("datamodules.download.Console", lambda **_: screen)
    fetch(NAME, SHA256, [serve({NAME: CONTENT})], tmp_path / "bar", most=MOST, progressbar=True)
    assert "256.0/256.0 kB" in screen.file.getvalue()


def test_the_file_has_ordinary_permissions(serve, scratch, tmp_path):
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    path = fetch(NAME, SHA256, [serve({NAME: CONTENT})], tmp_path / "raw", most=MOST, progressbar=False)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_a_directory_that_is_a_file_is_refused(serve, scratch, tmp_path):
    (tmp_path / "raw").write_text("mine")
    with pytest.raises(UserError, match=r"cannot be written .* choose another data_dir"):
        fetch(NAME, SHA256, [serve({NAME: CONTENT})], tmp_path / "raw", most=MOST, progressbar=False)
    assert (tmp_path / "raw").read_text() == "mine"


def test_no_mirrors_at_all_is_said(tmp_path):
    with pytest.raises(UserError, match="none is given"):
        fetch(NAME, SHA256, [], tmp_path, most=MOST)
