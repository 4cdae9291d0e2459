"""Directories of results: what a command has written it may replace, and nothing else."""

from pathlib import Path

import pytest

from app.common.errors import UserError
from app.runs.layout import NetworkKey, RunLayout
from app.runs.output_directory import WRITTEN, check_output, claim_output


def write(directory: Path, *names: str) -> None:
    claim_output(directory, names, "--out")
    for name in names:
        (directory / name).write_text("ours")


def refusal(directory: Path, *names: str) -> str:
    before = {path: path.is_file() and path.read_bytes() for path in directory.iterdir()}
    for call in (check_output, claim_output):
        with pytest.raises(UserError) as raised:
            call(directory, names, "--out")
    assert {path: path.is_file() and path.read_bytes() for path in directory.iterdir()} == before
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_commands_wrote_may_be_replaced(tmp_path: Path) -> None:
    write(tmp_path / "new/one", "a", "b")
    write(tmp_path / "new/one", "c")
    write(tmp_path / "new/one", "a", "b", "c", "d")
    assert (tmp_path / "new/one" / WRITTEN).read_text() == "a\nb\nc\nd\n"


def test_what_the_user_wrote_may_not(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "b").write_text("mine")
    write(tmp_path, "a")
    assert refusal(tmp_path, "a", "b", "c") == (
        f"{tmp_path / 'b'} is there already, and no command of this program wrote it; move it away, or choose another "
        "directory with --out"
    )
    (tmp_path / "c").symlink_to("nowhere")
    assert f"{tmp_path / 'c'} is there already" in refusal(tmp_path, "c")


def test_checking_writes_nothing(tmp_path: Path) -> None:
    check_output(tmp_path / "nowhere", ["a"], "--out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["report", "parse", "syntax", "mine"])
@pytest.mark.parametrize("parent", ["run", "network", "nothing"])
def test_directories_of_earlier_versions_in_runs(tmp_path: Path, name: str, parent: str) -> None:
    run = RunLayout(tmp_path / "run")
    places = {"run": run.root, "network": run.network(NetworkKey(0, "dense", 0)).root, "nothing": tmp_path / "nothing"}
    directory = places[parent] / name
    directory.mkdir(parents=True)
    if parent == "run":
        run.config.touch()
    (directory / "a").write_text("of a command of then")
    if name == "mine" or parent == "nothing":
        assert "is there already" in refusal(directory, "a")
        return
    write(directory, "a")
    (directory / "b").write_text("mine")
    assert "is there already" in refusal(directory, "b")


def test_a_list_that_is_no_text_lists_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a")
    (tmp_path / WRITTEN).write_bytes(b"\xff")
    assert "is there already" in refusal(tmp_path, "a")


def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert f"no place to write ({tmp_path / 'file'} is no directory)" in str(refused(tmp_path / "file"))
    assert f"no place to write ({tmp_path / 'file'} is no directory)" in str(refused(tmp_path / "file/new/one"))
    check_output(tmp_path / "new/one", ["a"], "--out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def refused(directory: Path) -> UserError:
    with pytest.raises(UserError) as raised:
        check_output(directory, ["a"], "--out")
    return raised.value
