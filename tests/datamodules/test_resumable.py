import hashlib
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.waiting import wait_until

from app.common.errors import UserError
from datamodules.resumable import fetched

NAME, CONTENT = "images.tar.gz", os.urandom(1 << 18)
SIZE, SHA256 = len(CONTENT), hashlib.sha256(CONTENT).hexdigest()
CLOSED = "http://127.0.0.1:9/"


def get(mirrors: list[str], folder: Path, *, wanted: bool = True) -> bytes | None:
    with fetched(NAME, SHA256, mirrors, folder, size=SIZE, wanted=lambda: wanted, timeout=5, progressbar=False) as path:
        return path.read_bytes() if path is not None else None


def part(folder: Path) -> Path:
    return folder / f"{NAME}.part"


def put(folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    part(folder).write_bytes(content)


def test_it_is_there_as_long_as_it_is_used(serve, tmp_path):
    folder = tmp_path / "not" / "there"
    assert get([serve({NAME: CONTENT})], folder) == CONTENT
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize("begun", [1, 100_000, SIZE - 1])
def test_what_has_arrived_is_not_asked_for_again(begun, serve, tmp_path):
    put(tmp_path, CONTENT[:begun])
    asked = []
    assert get([serve({NAME: CONTENT}, ranges=True, asked=asked)], tmp_path) == CONTENT
    assert asked == [f"bytes={begun}-"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_complete_is_not_asked_for_at_all(tmp_path):
    put(tmp_path, CONTENT)
    assert get([CLOSED], tmp_path) == CONTENT


def test_a_mirror_goes_on_where_another_one_broke_off(serve, tmp_path):
    asked = []
    mirrors = [
        serve({NAME: CONTENT}, ranges=True, stop_after=65_536),
        CLOSED,
        serve({NAME: CONTENT}, ranges=True, asked=asked),
    ]
    assert get(mirrors, tmp_path) == CONTENT
    assert asked == ["bytes=65536-"]


def test_a_mirror_without_ranges_begins_anew(serve, tmp_path):
    put(tmp_path, CONTENT[:1000])
    assert get([serve({NAME: CONTENT})], tmp_path) == CONTENT


def test_an_interrupted_download_is_kept_and_gone_on_with_by_the_same_command(serve, tmp_path):
    folder = tmp_path / "data"
    with pytest.raises(UserError, match=r"0\.1 MB of it are kept, and the same command goes on from there") as caught:
        get([serve({NAME: CONTENT}, ranges=True, stop_after=98_304)], folder)
    assert "\n" not in str(caught.value)
    assert part(folder).read_bytes() == CONTENT[:98_304]
    asked = []
    assert get([serve({NAME: CONTENT}, ranges=True, asked=asked)], folder) == CONTENT
    assert asked == ["bytes=98304-"]


@pytest.mark.parametrize(
    "begun", [CONTENT[:500] + b"x", CONTENT + b"x", b"x" * SIZE], ids=["other byte", "too long", "all other"]
)
def test_a_damaged_beginning_costs_a_second_attempt(begun, serve, tmp_path):
    put(tmp_path, begun)
    assert get([serve({NAME: CONTENT}, ranges=True)], tmp_path) == CONTENT


def test_a_page_of_a_portal_does_not_take_the_place_of_what_has_arrived(serve, tmp_path):
    put(tmp_path, CONTENT[:1000])
    portals = [serve({NAME: b"<html>Sign in"}), serve({NAME: b"<html>Sign in"}, says_size=False), serve({})]
    with pytest.raises(UserError, match=r"13 bytes, expected 262,144; .*: sends no size; .*: HTTP 404\); 0\.0 MB"):
        get(portals, tmp_path)
    assert part(tmp_path).read_bytes() == CONTENT[:1000]


def test_another_part_than_was_asked_for_is_refused(serve, tmp_path):
    put(tmp_path, CONTENT[:1000])
    with pytest.raises(UserError, match=r"another part of the file than was asked for \(bytes 1000-300001/300002\)"):
        get([serve({NAME: CONTENT + bytes(300_002 - SIZE)}, ranges=True)], tmp_path)
    assert part(tmp_path).read_bytes() == CONTENT[:1000]


def test_no_more_is_received_than_the_file_has_and_nothing_wrong_is_kept(serve, tmp_path):
    wrong = [serve({NAME: bytes(SIZE * 3)}, says_size=False), serve({NAME: bytes(SIZE)})]
    with pytest.raises(UserError, match=rf"more than {SIZE:,} bytes; .*: wrong checksum\); check the network"):
        get(wrong, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_what_is_not_wanted_any_more_is_not_downloaded(tmp_path):
    assert get([CLOSED], tmp_path, wanted=False) is None
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_its_user_keeps_it(serve, tmp_path):
    mirror = serve({NAME: CONTENT})
    with suppress(KeyError), fetched(NAME, SHA256, [mirror], tmp_path, size=SIZE, wanted=lambda: True) as path:
        raise KeyError(path)
    assert part(tmp_path).read_bytes() == CONTENT


# Without what else the package imports, which takes seconds.
DOWNLOAD = """
import sys, types
from pathlib import Path
sys.modules["datamodules"] = types.ModuleType("datamodules")
sys.modules["datamodules"].__path__ = ["datamodules"]
from datamodules.resumable import fetched

name, sha256, mirror, folder, size = sys.argv[1:]
with fetched(name, sha256, [mirror], Path(folder), size=int(size), wanted=lambda: True, progressbar=False):
    pass
"""


def test_a_killed_process_leaves_what_it_has_and_no_lock(serve, tmp_path):
    """The mirror falls silent in the middle."""
    mirror = serve({NAME: CONTENT}, ranges=True, stop_after=150_000, silent=True)
    command = [sys.executable, "-c", DOWNLOAD, NAME, SHA256, mirror, str(tmp_path), str(SIZE)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    try:
        wait_until(lambda: part(tmp_path).exists() and part(tmp_path).stat().st_size >= 140_000)
    finally:
        process.kill()
        process.wait()
    begun = part(tmp_path).stat().st_size
    asked = []
    assert get([serve({NAME: CONTENT}, ranges=True, asked=asked)], tmp_path) == CONTENT
    assert asked == [f"bytes={begun}-"]
