"""Tickets of another lottery: what they begin with, what they are compared with, and when they are refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.tiny_lottery import everything, lottery
from torch import nn

from app.common.errors import Interrupted, UserError
from app.common.states import digest
from app.lottery.rounds import Lottery
from app.lottery.settings import Pruning, merge
from app.lottery.sources import source_checksums
from app.pruning import survivors
from app.runs.layout import NetworkKey, RunLayout
from app.runs.source_ticket import claim_tickets
from app.runs.table import read_results
from app.runs.tensors import load_tensors

TRANSFERRED = "transferred_from_found"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    """A finished lottery whose tickets are transferred."""
    root = tmp_path_factory.mktemp("runs") / "found"
    lottery(root, keep=["final", "start"]).run()
    return RunLayout(root)


@pytest.fixture(scope="module")
def target(found: RunLayout) -> RunLayout:
    """A lottery of the same configuration that trains them, besides its own."""
    root = found.root.parent / "target"
    lottery(root, from_ticket=str(found.root), keep=["final", "start"]).run()
    return RunLayout(root)


def test_a_ticket_that_is_transferred_to_its_own_task_is_that_ticket(found: RunLayout, target: RunLayout) -> None:
    for round in (1, 2):
        there = found.network(NetworkKey(0, "iterative", round))
        here = target.network(NetworkKey(0, TRANSFERRED, round))
        for file in ("mask", "start", "final"):
            assert getattr(here, file).read_bytes() == getattr(there, file).read_bytes()
        source = json.loads(here.report.read_text())["source"]
        assert source["ticket"] == str(there.root)
        assert source["mask"] == digest(load_tensors(there.mask))


def test_a_random_ticket_has_its_layer_densities_and_weights_of_its_own(target: RunLayout) -> None:
    initial = load_tensors(target.initial(0))
    ticket = load_tensors(target.network(NetworkKey(0, TRANSFERRED, 2)).mask)
    key = NetworkKey(0, f"random_ticket_of_{TRANSFERRED}", 2, of=TRANSFERRED)
    files = target.network(key)
    mask, start = load_tensors(files.mask), load_tensors(files.start)
    assert survivors(mask) == survivors(ticket)
    for name, kept in mask.items():
        assert not kept.equal(ticket[name])
        assert not start[name][kept].equal(initial[name][kept])


def test_a_new_output_layer_has_the_weights_of_the_target(found: RunLayout, tmp_path: Path) -> None:
    drawn = lottery(tmp_path, rounds=1, methods=[], random_ticket=0, from_ticket=str(found.root), keep=["start"])
    drawn.model.net.output = nn.Linear(12, 5)
    drawn.run()
    run, there = RunLayout(tmp_path), found.network(NetworkKey(0, "iterative", 1))
    here = run.network(NetworkKey(0, TRANSFERRED, 1))
    mask, start, initial = load_tensors(here.mask), load_tensors(here.start), load_tensors(run.initial(0))
    assert mask["net.fc.weight"].equal(load_tensors(there.mask)["net.fc.weight"])
    assert start["net.fc.weight"].equal(load_tensors(there.start)["net.fc.weight"])
    output = mask["net.output.weight"]
    # 32 of 36 weights are left there: 53 of 60 here.
    assert (output.shape, int(output.sum())) == ((5, 12), 53)
    assert start["net.output.weight"][output].equal(initial["net.output.weight"][output])
    assert start["net.output.bias"].equal(initial["net.output.bias"])


def test_one_ticket_is_its_round_alone(found: RunLayout, tmp_path: Path) -> None:
    path = found.root / "replicate_0/iterative/round_02"
    settings = Pruning(rounds=1, methods=[], from_ticket=[str(path)])
    assert [(key.method, key.round) for key in settings.networks()] == [
        ("dense", 0),
        (TRANSFERRED, 2),
        (f"random_ticket_of_{TRANSFERRED}", 2),
    ]
    two = [f"{found.root}/replicate_{replicate}/iterative" for replicate in (0, 1)]
    method = next(each for each in Pruning(from_ticket=two).all_methods if each.name == TRANSFERRED)
    files = [method.ticket_files(NetworkKey(replicate, TRANSFERRED, 1)) for replicate in range(3)]
    assert [each.root.parents[1].name for each in files if each] == ["replicate_0", "replicate_1", "replicate_0"]


def claim(drawn: Lottery, missing: set[NetworkKey]) -> None:
    claim_tickets(drawn.layout, source_checksums(drawn.settings, drawn.model, missing))


def test_changed_and_damaged_tickets_are_refused(found: RunLayout, tmp_path: Path) -> None:
    source = tmp_path / "found"
    shutil.copytree(found.root, source)
    drawn = lottery(tmp_path / "target", rounds=1, methods=[], from_ticket=str(source))
    missing = set(drawn.settings.networks())
    claim(drawn, missing)
    ticket = RunLayout(source).network(NetworkKey(0, "iterative", 1))
    whole = ticket.mask.read_bytes()
    ticket.mask.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError, match=r"mask\.safetensors: damaged"):
        claim(drawn, missing)
    ticket.mask.write_bytes(whole)
    report = json.loads(ticket.report.read_text())
    mask, report["checksums"]["mask"] = report["checksums"]["mask"], "f" * 64
    ticket.report.write_text(json.dumps(report))
    with pytest.raises(UserError, match="was begun with another ticket"):
        claim(drawn, set())
    wide = lottery(tmp_path / "wide", rounds=1, methods=[], from_ticket=str(source))
    wide.model.net.fc = nn.Linear(5, 12)
    ticket.report.write_text(json.dumps(report | {"checksums": report["checksums"] | {"mask": mask}}))
    with pytest.raises(UserError, match=r"a ticket of another network .* only an output layer may differ"):
        claim(wide, missing)
    ticket.done.unlink()
    claim(drawn, set())  # nothing is made from it any more
    with pytest.raises(UserError, match=r"no finished ticket there \(no DONE file\)"):
        claim(drawn, missing)


def test_stopped_and_resumed_it_has_the_same_bits(found: RunLayout, tmp_path: Path) -> None:
    options: dict[str, Any] = {"rounds": 1, "methods": [], "from_ticket": str(found.root)}
    lottery(tmp_path / "whole", **options).run()
    drawn = lottery(tmp_path / "killed", **options)
    asked = iter(range(1000))
    stopped = replace(drawn.train, stop=lambda: next(asked) >= 20, checkpoint_seconds=0.0)
    with pytest.raises(Interrupted):
        replace(drawn, train=stopped).run()
    assert RunLayout(tmp_path / "killed").network(NetworkKey(0, TRANSFERRED, 1)).last.exists()
    lottery(tmp_path / "killed", **options).run()
    assert everything(tmp_path / "killed") == everything(tmp_path / "whole")


def test_a_lottery_grows_by_tickets_of_another(found: RunLayout) -> None:
    before = {"pruning": {"rounds": 2, "methods": ["iterative"]}}
    after = {"pruning": {"rounds": 2, "methods": ["iterative"], "from_ticket": str(found.root), "random_ticket": 1}}
    grown = merge(before, after)["pruning"]
    assert grown["from_ticket"] == [str(found.root)]
    assert merge({"pruning": grown}, after)["pruning"]["from_ticket"] == [str(found.root)]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["runs/x/replicate_0"], "pruning.from_ticket is runs/x/replicate_0; expected a ticket"),
        (["a/x", "b/x"], "names tickets of a/x and of b/x, which would have one name"),
    ],
)
def test_paths_that_name_no_ticket_are_one_line(paths: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Pruning(from_ticket=paths)


def test_results_have_a_row_for_each(target: RunLayout) -> None:
    rows = [(row.method, row.round) for row in read_results(target.results)]
    assert rows == [
        ("dense", 0),
        *(("iterative", round) for round in (1, 2)),
        *((TRANSFERRED, round) for round in (1, 2)),
        *((f"random_ticket_of_{TRANSFERRED}", round) for round in (1, 2)),
    ]
