"""Files that a network is made from: each is compared with its checksum when it is read, and made again if deleted."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import same, weights
from helpers.tiny_lottery import TinyNet, everything, lottery

from app.common.errors import UserError
from app.common.states import digest
from app.lottery.kept_files import finished_keys
from app.lottery.origins import check_origins
from app.lottery.settings import Pruning
from app.runs.checkpoints import load_weights
from app.runs.checksums import CHECKSUMS, read_checksums
from app.runs.layout import NetworkKey, RunLayout
from app.runs.tensors import load_tensors, save_tensors
from app.runs.ticket import load_ticket

# Late rewinding, so that there is everything that a network can be made from.
OPTIONS: dict[str, Any] = {"rewind_to": "4it", "keep": ["final", "start"], "random_mask": 1}
GROWN: dict[str, Any] = OPTIONS | {"rounds": 3, "methods": ["iterative", "one_shot"]}
ROUND_2 = NetworkKey(0, "iterative", 2)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    """A finished lottery of two rounds."""
    run = RunLayout(tmp_path_factory.mktemp("damage") / "small")
    lottery(run.root, **OPTIONS).run()
    return run


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, small: RunLayout) -> dict[str, object]:
    """What the same lottery has with one round and one method more, where nothing was ever damaged."""
    root = tmp_path_factory.mktemp("damage") / "grown"
    shutil.copytree(small.root, root)
    lottery(root, **GROWN).run()
    return everything(root)


@pytest.fixture
def run(small: RunLayout, tmp_path: Path) -> RunLayout:
    """A copy to damage."""
    return RunLayout(Path(shutil.copytree(small.root, tmp_path / "run")))


def flip(path: Path) -> None:
    """Change one bit of the last value, or of the opening bracket of a report."""
    content = bytearray(path.read_bytes())
    content[0 if path.suffix == ".json" else -1] ^= 1
    path.write_bytes(bytes(content))


def shift(path: Path) -> None:
    """Another valid file in its place."""
    if path.suffix != ".safetensors":
        path.write_bytes(path.read_bytes() + b"\n1")
        return
    save_tensors(path, {name: value + 1 for name, value in load_tensors(path).items()})


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as raised:
        call()
    message = str(raised.value)
    assert "\n" not in message
    return message


# Those that one more round and one-shot pruning are made from.
READ = {
    "initial.safetensors": "draws these weights again",
    "rewind.safetensors": "trains the dense network again",
    "rewind.ckpt": "trains the dense network again",
    "round_00/mask.safetensors": "",
    "round_00/final.safetensors": "trains this network again",
    "round_00/metrics.csv": "trains this network again",
    "iterative/round_02/mask.safetensors": "trains this network again",
    "iterative/round_02/final.safetensors": "trains this network again",
    "iterative/round_02/report.json": "trains this network again",
}


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, flip) for name, remedy in READ.items() if remedy),
        *itertools.product(("initial.safetensors", "rewind.ckpt"), (shift, cut, empty)),
        ("iterative/round_02/report.json", empty),
    ],
)
def test_a_damaged_file_is_named_with_what_mends_it(run: RunLayout, name: str, damage: Callable[[Path], None]) -> None:
    path = run.replicate(0) / name
    damage(path)
    message = refusal(lottery(run.root, **GROWN).run)
    assert message.startswith(f"{path}: ")
    assert f"delete {path}, and the lottery's command {READ[name]}" in message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"round": 2', '"round": Infinity', "cannot convert float infinity"),
        ('"round": 2', '"round": 1', "it is of replicate 0, iterative, round 1"),
        ('"method": "iterative"', '"method": "nonesuch"', "it is of replicate 0, nonesuch, round 2"),
        ('"method": "iterative"', r'"method": "\u001b[31m"', r"result.method has the control character \x1b"),
        ('"replicate": 0', '"replicate": 1e999', "cannot convert float infinity"),
        ('"checksums": {', '"checksums": 3, "others": {', "checksums is 3"),
        ('"result": {', '"result": 3, "others": {', "not subscriptable"),
    ],
)
def test_a_report_that_was_edited_is_refused_by_name(run: RunLayout, old: str, new: str, says: str) -> None:
    path = run.network(ROUND_2).report
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    message = refusal(lottery(run.root, **OPTIONS).run)
    assert message.startswith(f"{path}: not the report of a finished network (")
    assert says in message


@pytest.mark.parametrize("name", [*READ, CHECKSUMS])
def test_a_missing_file_is_made_again_by_the_same_command(
    run: RunLayout, small: RunLayout, grown: dict[str, object], name: str
) -> None:
    (run.replicate(0) / name).unlink()
    lottery(run.root, **OPTIONS).run()
    assert everything(run.root) == everything(small.root)
    assert (run.replicate(0) / name).exists() or name == CHECKSUMS
    lottery(run.root, **GROWN).run()
    assert everything(run.root) == grown


def test_a_rewind_point_that_disappears_is_not_replaced_by_the_beginning(run: RunLayout) -> None:
    before = lottery(run.root, **OPTIONS).networks_before
    run.rewind_weights(0).unlink()
    message = refusal(lambda: before.rewind_point(0))
    assert message == (
        f"{run.rewind_weights(0)}: no such file; the lottery's command trains the dense network again, which makes it"
    )


def test_initial_weights_are_only_replaced_by_the_same(run: RunLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another release of PyTorch may draw others."""
    run.initial(0).unlink()
    monkeypatch.setattr(TinyNet, "reset_parameters", lambda self: torch.nn.init.zeros_(self.fc.weight))
    message = refusal(lottery(run.root, **GROWN).run)
    assert message.startswith(f"{run.initial(0)}: no such file, and the weights that are drawn in its place")
    assert f"put the file back, or delete {run.replicate(0)} to train all of it again" in message
    assert not run.initial(0).exists()


@pytest.mark.parametrize(("name", "remedy"), READ.items())
def test_what_missing_networks_are_made_from_is_checked_before_anything_is_trained(
    run: RunLayout, name: str, remedy: str
) -> None:
    settings = Pruning(**{"rates": {"fc": 0.25, "output": 0.1}} | GROWN)
    missing = set(settings.networks()).difference(finished_keys(settings, run))
    assert {key.method for key in missing} == {"iterative", "one_shot", "random_mask"}
    check_origins(settings, run, missing)
    check_origins(settings, run, set(settings.networks()))
    if not remedy or name.endswith((".json", ".csv")):  # read for the table of results at the beginning
        return
    flip(run.replicate(0) / name)
    message = refusal(lambda: check_origins(settings, run, missing))
    assert message.startswith(f"{run.replicate(0) / name}: ")
    check_origins(settings, run, set())


def test_a_rewind_checkpoint_that_is_missing_is_made_again_by_the_command(run: RunLayout) -> None:
    run.rewind_checkpoint(0).unlink()
    settings = Pruning(**{"rates": {"fc": 0.25, "output": 0.1}} | GROWN)
    check_origins(settings, run, set(settings.networks()).difference(finished_keys(settings, run)))


def test_networks_of_another_replicate_are_not_taken_for_these(tmp_path: Path) -> None:
    run = RunLayout(tmp_path)
    lottery(run.root, rounds=1, replicates=2).run()
    before, after = (run.network(NetworkKey(replicate, "iterative", 1)) for replicate in (1, 0))
    shutil.copy(before.mask, after.mask)
    message = refusal(lottery(run.root, rounds=2, replicates=2).run)
    assert message.startswith(f"{after.mask}: damaged, or another file than was written there (its SHA-256 is ")


def test_a_ticket_is_loaded_only_from_what_was_written(run: RunLayout) -> None:
    files = run.network(ROUND_2)
    for path, which in ((files.mask, "start"), (files.start, "start"), (files.final, "final")):
        content = path.read_bytes()
        flip(path)
        message = refusal(lambda which=which: load_ticket(files.root, TinyNet(), weights=which))
        assert f"delete {path}, and the lottery's command trains this network again" in message
        path.write_bytes(content)
    files.start.unlink()
    flip(run.rewind_weights(0))
    assert f"{run.rewind_weights(0)}: damaged" in refusal(lambda: load_ticket(files.root, TinyNet()))
    run.rewind_weights(0).unlink()
    assert f"{run.rewind_weights(0)}: no such file" in refusal(lambda: load_ticket(files.root, TinyNet()))
    flip(files.final)
    assert f"{files.final}: damaged" in refusal(lambda: load_weights(TinyNet(), files.final))


def test_starting_weights_that_were_kept_later_are_compared_too(tmp_path: Path) -> None:
    run = RunLayout(tmp_path)
    lottery(run.root, rounds=1).run()
    lottery(run.root, rounds=1, keep=["final", "start"]).run()
    files = run.network(NetworkKey(0, "iterative", 1))
    load_ticket(files.root, TinyNet())
    shift(files.start)
    assert f"{files.start}: damaged" in refusal(lambda: load_ticket(files.root, TinyNet()))


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_best_checkpoints_that_are_kept(tmp_path: Path) -> None:
    run = RunLayout(tmp_path)
    lottery(run.root, rounds=0, keep=["best"]).run()
    files = run.network(NetworkKey(0, "dense", 0))
    module = lottery(tmp_path / "other").model
    load_weights(module, files.best)
    before = weights(module)
    flip(files.best)
    assert f"{files.best}: damaged" in refusal(lambda: load_weights(module, files.best))
    files.best.unlink()
    lottery(run.root, rounds=0, keep=["best"]).run()
    load_weights(module, files.best)
    assert same(weights(module), before)


def test_each_file_is_checked_once_in_a_process(run: RunLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    monkeypatch.setattr("app.runs.recorded_tensors.digest", lambda tensors: (counted.append(1), digest(tensors))[1])
    before = lottery(run.root, **OPTIONS).networks_before
    for _ in range(3):
        before.initial(0)
    assert len(counted) == 1
    shift(run.initial(0))
    refusal(lambda: before.initial(0))
    assert len(counted) == 2


def test_directories_of_earlier_versions_have_fewer_checksums(run: RunLayout, grown: dict[str, object]) -> None:
    """What their networks began with is the checksum of the files that these began from."""
    (run.replicate(0) / CHECKSUMS).unlink()
    for files in run.networks().values():
        report = json.loads(files.report.read_text())
        for name in ("start.safetensors", "best.ckpt"):
            report["checksums"].pop(name, None)
        files.report.write_text(json.dumps(report))
    for path in (run.initial(0), run.rewind_weights(0)):
        content = path.read_bytes()
        shift(path)
        assert f"{path}: damaged" in refusal(lottery(run.root, **GROWN).run)
        path.write_bytes(content)
    lottery(run.root, **GROWN).run()
    assert everything(run.root) == grown


def test_a_table_of_checksums_that_is_damaged(run: RunLayout) -> None:
    path = run.replicate(0) / CHECKSUMS
    assert set(read_checksums(path.parent)) == {"initial.safetensors", "rewind.safetensors", "rewind.ckpt"}
    for text in ("", "[]", "{", "[" * 100_000):
        path.write_text(text)
        assert refusal(lottery(run.root, **GROWN).run).startswith(f"{path}: not a table of checksums (")


def test_a_network_without_its_mask_counts_as_missing(run: RunLayout) -> None:
    settings = Pruning(**{"rounds": 2, "rates": {"fc": 0.25, "output": 0.1}} | OPTIONS)
    run.network(ROUND_2).mask.unlink()
    assert set(settings.networks()) - set(finished_keys(settings, run)) == {ROUND_2}
