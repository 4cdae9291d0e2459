"""`--pruning.only`: a part of an experiment for one command."""

from pathlib import Path

import pytest
from helpers.command import in_process
from helpers.workers import TINY, bits, different
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.lottery.only import Only, numbers, written
from app.lottery.settings import Pruning


@given(st.sets(st.integers(0, 40), min_size=1))
def test_numbers_are_read_as_they_are_written(given_: set[int]) -> None:
    assert numbers(written(sorted(given_)), "rounds") == given_


@pytest.mark.parametrize(
    ("given_", "meant"),
    [(None, None), (3, {3}), ("0,2 , 4-6", {0, 2, 4, 5, 6}), ([1, "3-4"], {1, 3, 4}), ("7-7", {7}), ([], set())],
)
def test_how_numbers_are_given(given_: object, meant: set[int] | None) -> None:
    assert numbers(given_, "rounds") == meant  # type: ignore[arg-type]


@pytest.mark.parametrize("given_", [-1, "3-1", "a", "", "1-2-3", "1.5", [True]])
def test_what_is_no_number(given_: object) -> None:
    with pytest.raises(UserError, match=r"^pruning\.only\.rounds is .*expected numbers from 0 and ranges, such as 0,4"):
        Only(rounds=given_)  # type: ignore[arg-type]


def keys(**only: object) -> list[str]:
    settings = Pruning(rounds=2, replicates=2, methods=["iterative", "one_shot"], random_reinit=2, only=Only(**only))  # type: ignore[arg-type]
    return [key.path.removeprefix("replicate_") for key in settings.selected()]


def test_which_networks_are_meant() -> None:
    assert len(keys()) == 2 * (1 + 2 + 2 + 4)
    assert keys(replicates=1, methods="iterative") == ["1/iterative/round_01", "1/iterative/round_02"]
    # Round 0 of a method is the dense network.
    assert keys(replicates=0, methods=["iterative"], rounds="0-1") == ["0/round_00", "0/iterative/round_01"]
    assert keys(rounds=0) == ["0/round_00", "1/round_00"]
    assert keys(methods="dense, one_shot", rounds=[0, 2]) == [
        *("0/round_00", "0/one_shot/round_02", "1/round_00", "1/one_shot/round_02")
    ]
    assert keys(replicates="1", methods="random_reinit", branches=1) == [
        f"1/iterative/round_0{round}/random_reinit_1" for round in (1, 2)
    ]


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("{methods: [snip]}", "pruning.only.methods has snip; the methods here are dense, iterative, one_shot, random"),
        ("{replicates: 2}", "pruning.only.replicates has 2; the last one here is 1"),
        ("{rounds: 1-3}", "pruning.only.rounds has 3; the last one here is 2"),
        ("{rounds: many}", "pruning.only.rounds is many; expected numbers from 0 and ranges, such as 0,4-7"),
        ("{round: 1}", "round"),
    ],
)
def test_what_an_experiment_does_not_have(option: str, says: str, tmp_path: Path) -> None:
    done = in_process(*TINY, "--pruning.only", option, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_parts_make_the_whole(expected_whole: dict[str, object], tmp_path: Path) -> None:
    """In any order that what they are made from allows, by dotted options and by a file."""
    run = tmp_path / "runs/tiny"
    too_early = in_process(*TINY, "--pruning.only.methods", "random_reinit", cwd=tmp_path)
    assert too_early.returncode == 1
    assert too_early.stderr.splitlines() == [
        "failed: not trained: replicate 0, random_reinit 0, round 1 and 3 more; they are made from replicate 0, "
        "iterative, round 1 and 3 more, not finished, trained by nobody, and no part of this command; finished "
        "networks and metrics are kept"
    ]
    (tmp_path / "part.yaml").write_text("pruning:\n  only:\n    replicates: 1\n    rounds: 0-1\n")
    parts = [
        ("--config", "part.yaml"),
        (
            "--pruning.only.replicates",
            "0",
            "--pruning.only.methods",
            "[iterative, one_shot]",
            "--pruning.only.rounds",
            "0-2",
        ),
        ("--pruning.only", "{methods: random_reinit, replicates: 0}", "--pruning.workers", "2"),
        ("--pruning.only.rounds", "[0, 1, 2]", "--pruning.only.replicates", "1"),
    ]
    for part in parts:
        done = in_process(*TINY, *part, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    assert not different(expected_whole, bits(run)), "bits, and no trace of the parts in any file but config.yaml"
    assert "only" not in (run / "config.yaml").read_text()


@pytest.fixture(scope="module")
def expected_whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    directory = tmp_path_factory.mktemp("whole")
    done = in_process(*TINY, cwd=directory)
    assert (done.returncode, done.stderr) == (0, "")
    return bits(directory / "runs/tiny")


def test_a_plan_of_a_part(tmp_path: Path) -> None:
    done = in_process(*TINY, "--pruning.only.replicates", "0", "--pruning.plan", "true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split("│")[1:3] for line in done.stdout.splitlines() if "│ all" in line] == [
        [" all           ", "        7 "]
    ]
