"""Where the networks of a run directory lie, and which network a directory is of."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.runs.layout import FitLayout, NetworkKey, RunLayout, run_of, seed_directories

# What a file system takes for a name.
names = st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)
numbers = st.integers(0, 10**6)
rounds = st.integers(1, 10**4)
keys = st.one_of(
    st.builds(NetworkKey, numbers, st.just("dense"), st.just(0)),
    st.builds(NetworkKey, numbers, names, rounds),
    st.builds(NetworkKey, numbers, names, rounds, numbers, of=names),
)


def parts(key: NetworkKey) -> tuple[object, ...]:
    """All of a key; equality leaves out whose control it is."""
    return key.replicate, key.method, key.round, key.branch, key.of


@given(keys)
@example(NetworkKey(0, "round_00", 3))
@example(NetworkKey(1, "round_01", 3, 2, of="round_02"))
@example(NetworkKey(2, "a_1", 100, 1, of="b_2"))
@example(NetworkKey(0, "replicate_0", 7))
@example(NetworkKey(0, "two\nlines", 1, 0, of="more\n"))
def test_a_path_and_its_key_are_inverse(key: NetworkKey) -> None:
    found = NetworkKey.of_path(key.path)
    assert found is not None
    assert parts(found) == parts(key)


@given(st.lists(keys, max_size=30, unique=True))
def test_networks_that_differ_have_directories_that_differ(several: list[NetworkKey]) -> None:
    # Of a method and a control of one name a lottery has only one.
    by_method = {key.method: key.of for key in several}
    several = [key for key in several if by_method[key.method] == key.of]
    assert len({key.path for key in several}) == len(several)


@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "report", "replicate_0", "replicate_0/", "replicate_0/iterative", "replicate_x/round_00"),
        *("replicate_0/round_01", "replicate_0/iterative/round_01/", "replicate_0/iterative/round_01/control"),
        *("replicate_0/iterative/round_one", "replicate_0/iterative/round_01/control_0/deeper", "round_00"),
        *("a/replicate_0/round_00", "/replicate_0/round_00", "replicate_-1/round_00"),
    ],
)
def test_other_directories_are_no_networks(path: str) -> None:
    assert NetworkKey.of_path(path) is None


@settings(max_examples=25)
@given(st.lists(keys, max_size=6, unique=True))
def test_all_networks_with_rows_are_found(tmp_path_factory: pytest.TempPathFactory, several: list[NetworkKey]) -> None:
    run = RunLayout(tmp_path_factory.mktemp("runs") / "e")
    for number, key in enumerate(several):
        files = run.network(key)
        files.root.mkdir(parents=True, exist_ok=True)
        files.metrics.touch()
        without = run.network(NetworkKey(10**7, f"{number}", 1))
        without.root.mkdir(parents=True)
    (run.replicate(0) / "notes").mkdir(parents=True, exist_ok=True)
    (run.replicate(0) / "notes/metrics.csv").touch()
    found = run.networks()
    assert {(parts(key), files.root) for key, files in found.items()} == {
        (parts(key), run.network(key).root) for key in several
    }


@given(keys)
def test_the_run_that_a_network_is_of(key: NetworkKey) -> None:
    run = run_of(Path("/somewhere/replicate_of_mine/e") / key.path)
    assert run is not None
    assert run.root == Path("/somewhere/replicate_of_mine/e")


def test_other_directories_are_of_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("e", "e/seed_0", "e/replicate_0", "e/replicate_0/notes", "e/replicate_0/a/round_01/b_0/parse"):
        assert run_of(tmp_path / path) is None
    inside = tmp_path / "e/replicate_3/round_00"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    run = run_of(Path("."))
    assert run is not None
    assert run.root == tmp_path.resolve() / "e"


def test_seeds_come_in_their_order(tmp_path: Path) -> None:
    for name in ("seed_10", "seed_9", "seed_", "seed_1x", "report", "xseed_1"):
        (tmp_path / name).mkdir()
    (tmp_path / "seed_3").touch()
    assert [path.name for path in seed_directories(tmp_path)] == ["seed_9", "seed_10"]
    assert seed_directories(tmp_path / "nowhere") == []
    assert FitLayout(tmp_path / "seed_9").name == f"{tmp_path.name}/seed_9"


def test_a_key_in_words() -> None:
    assert str(NetworkKey(0, "dense", 0)) == "replicate 0, dense, round 0"
    assert str(NetworkKey(1, "random_mask", 3, 2, of="iterative")) == "replicate 1, random_mask 2, round 3"
