"""Tickets that are rewound to a later moment train on from there: what they see, and what they begin with."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import same
from helpers.tiny_lottery import ITERATIONS, Blobs, TinyNet
from helpers.watched_lottery import DECAY, LR, run, watched
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset

from app.common.errors import Interrupted, UserError
from app.lottery.methods import Iterative, LRRewinding
from app.lottery.moments import check_moments
from app.lottery.settings import Pruning
from app.pruning import masked
from app.runs.layout import NetworkKey, RunLayout
from app.runs.table import read_metrics, read_results
from app.runs.tensors import load_tensors
from app.training.length import steps_per_epoch


class PlainBlobs(Blobs):
    """The same images from a loader that has no position; its order is drawn from torch's global generator."""

    def train_dataloader(self) -> Any:
        images, labels = zip(*list(super().train_dataloader()), strict=True)
        order = torch.cat(images).flatten(1).double().sum(1).argsort(stable=True)  # whatever order they came in
        return DataLoader(TensorDataset(torch.cat(images)[order], torch.cat(labels)[order]), 30, shuffle=True)


@pytest.mark.parametrize(
    ("rewind_to", "point"), [("5it", 5), ("4it", 4), ("3it", 3), ("2ep", 6), ("1it", 1), ("11it", 11)]
)
def test_a_ticket_trains_on_as_the_dense_network_did(tmp_path: Path, rewind_to: str, point: int) -> None:
    """Inside an epoch, at its end, and where a validation follows."""
    seen = run(tmp_path, rewind_to=rewind_to)
    layout, dense = RunLayout(tmp_path), seen["dense 0"]
    assert list(dense.batches) == list(range(ITERATIONS))
    assert dense.rates == pytest.approx({done: LR * DECAY**done for done in range(ITERATIONS)})
    assert len(set(dense.batches.values())) == ITERATIONS
    assert list(seen) == ["dense 0", "iterative 1", "iterative 2"]
    rewound = load_tensors(layout.rewind_weights(0))
    assert rewound["net.norm.num_batches_tracked"] == point
    for round in (1, 2):
        ticket, files = seen[f"iterative {round}"], layout.network(NetworkKey(0, "iterative", round))
        assert list(ticket.batches) == list(range(point, ITERATIONS))
        assert ticket.batches == {done: dense.batches[done] for done in range(point, ITERATIONS)}
        assert ticket.rates == {done: dense.rates[done] for done in range(point, ITERATIONS)}
        assert ticket.momentum_at_start == 0
        start = masked(rewound, load_tensors(files.mask))
        assert {name: value for name, value in ticket.start.items() if name in start}.keys() == start.keys()
        for name, value in start.items():
            assert ticket.start[name].equal(value), name
        assert same(load_tensors(files.start), start)
        validated = [row["iteration"] for row in read_metrics(files.metrics)]
        assert validated == [iteration for iteration in (0, 4, 8, 12) if iteration > point]
        assert load_tensors(files.final)["net.norm.num_batches_tracked"] == ITERATIONS
        assert not files.last.exists()


def test_every_method_and_control_trains_on_from_there(tmp_path: Path) -> None:
    seen = run(tmp_path, rewind_to="5it", rounds=1, methods=["iterative", "one_shot"], random_reinit=1, random_mask=1)
    later = {name: list(each.batches) for name, each in seen.items() if name != "dense 0"}
    assert list(later) == ["iterative 1", "one_shot 1", "random_reinit 1", "random_mask 1"]
    assert all(done == list(range(5, ITERATIONS)) for done in later.values())


def test_training_means_are_those_of_the_ticket_alone(tmp_path: Path) -> None:
    """The first row after iteration 5 is the mean over iterations 6 to 8 of the ticket, none of the dense network."""
    seen = run(tmp_path, rewind_to="5it", rounds=1)
    layout = RunLayout(tmp_path)
    rows = read_metrics(layout.network(NetworkKey(0, "iterative", 1)).metrics)
    assert [row["iteration"] for row in rows] == [8, 12]
    losses = seen["iterative 1"].losses
    assert rows[0]["train_loss"] == pytest.approx(sum(losses[done] for done in (5, 6, 7)) / 3)
    assert rows[1]["train_loss"] == pytest.approx(sum(losses[done] for done in (8, 9, 10, 11)) / 4)


def test_the_supermask_accuracy_of_a_rewound_ticket_is_that_of_its_start(tmp_path: Path) -> None:
    run(tmp_path, rewind_to="5it", rounds=1)
    layout = RunLayout(tmp_path)
    for key, files in layout.networks().items():
        weights = layout.initial(0) if key.round == 0 else layout.rewind_weights(0)
        net, data, report = TinyNet(), Blobs(), json.loads(files.report.read_text())
        start = masked(load_tensors(weights), load_tensors(files.mask))
        net.load_state_dict({name.removeprefix("net."): value for name, value in start.items()})
        data.reseed(split=report["seeds"]["split"], order=0)
        data.prepare()
        ((images, labels),) = data.val_dataloader()[0]
        share = float((net.eval()(images).argmax(1) == labels).double().mean())
        assert report["result"]["supermask_accuracy"] == share
    assert {row.method for row in read_results(layout.results)} == {"dense", "iterative"}


def test_without_it_a_ticket_trains_its_full_length_from_the_beginning(tmp_path: Path) -> None:
    seen = run(tmp_path, rewind_to="5it", resume_schedule=False)
    layout, dense = RunLayout(tmp_path), seen["dense 0"]
    assert not layout.rewind_checkpoint(0).exists()
    rewound = load_tensors(layout.rewind_weights(0))
    for round in (1, 2):
        ticket, files = seen[f"iterative {round}"], layout.network(NetworkKey(0, "iterative", round))
        assert (ticket.batches, ticket.rates) == (dense.batches, dense.rates)
        start = masked(rewound, load_tensors(files.mask))
        assert all(ticket.start[name].equal(value) for name, value in start.items())
        assert [row["iteration"] for row in read_metrics(files.metrics)] == [0, 4, 8, 12]


def test_rewound_to_the_beginning_it_changes_nothing(tmp_path: Path) -> None:
    for name, resumed in (("one", True), ("other", False)):
        run(tmp_path / name, resume_schedule=resumed)
    one, other = RunLayout(tmp_path / "one"), RunLayout(tmp_path / "other")
    assert not one.rewind_checkpoint(0).exists()
    for key, files in one.networks().items():
        assert files.final.read_bytes() == other.network(key).final.read_bytes()


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunLayout]:
    """Lotteries that nothing ended, by where they are rewound to."""
    made = {point: RunLayout(tmp_path_factory.mktemp(point) / "whole") for point in ("5it", "4it")}
    for point, layout in made.items():
        run(layout.root, rewind_to=point)
    return made


@pytest.mark.parametrize("rewind_to", ["5it", "4it"])
@pytest.mark.parametrize(
    "die_at", [("dense 0", 2), ("dense 0", 5), ("dense 0", 9), ("iterative 1", 5), ("iterative 1", 9)]
)
def test_a_training_that_was_ended_goes_on_to_the_same_bits(
    wholes: dict[str, RunLayout], tmp_path: Path, rewind_to: str, die_at: tuple[str, int]
) -> None:
    whole, ended = wholes[rewind_to], RunLayout(tmp_path / "ended")
    drawn, _ = watched(ended.root, rewind_to=rewind_to, die_at=die_at)
    with pytest.raises((KeyboardInterrupt, SystemExit, Interrupted)):
        drawn.run()
    assert not ended.network(NetworkKey(0, "iterative", 1)).done.exists()
    seen = run(ended.root, rewind_to=rewind_to)
    assert min(seen[die_at[0]].batches) >= die_at[1] > 0, "it began anew"
    for key, files in whole.networks().items():
        for path in (files.final, files.mask, files.metrics, files.start):
            assert path.read_bytes() == (ended.root / path.relative_to(whole.root)).read_bytes(), (key, path.name)


def test_data_without_a_position_goes_on_from_the_end_of_an_epoch(tmp_path: Path) -> None:
    drawn, seen = watched(tmp_path, data=PlainBlobs(batch_size=30), rewind_to="2ep", rounds=1)
    drawn.run()
    dense, ticket = seen["dense 0"], seen["iterative 1"]
    assert len(set(dense.batches.values())) == ITERATIONS
    assert ticket.batches == {done: dense.batches[done] for done in range(6, ITERATIONS)}
    assert ticket.rates == {done: dense.rates[done] for done in range(6, ITERATIONS)}


def check(settings: Pruning, data: LightningDataModule, point: int, steps: int = 3) -> None:
    check_moments(settings, data, iterations=ITERATIONS, rewind_iteration=point, iterations_per_epoch=steps)


def test_data_without_a_position_cannot_go_on_inside_an_epoch() -> None:
    data = PlainBlobs(batch_size=30)
    data.prepare()
    steps = steps_per_epoch({}, data)
    assert steps == 3
    with pytest.raises(UserError, match=r"rewind_to is 5it, inside an epoch.*end of an epoch, such as 1ep") as raised:
        check(Pruning(rewind_to="5it"), data, 5)
    assert "\n" not in str(raised.value)
    check(Pruning(rewind_to="6it"), data, 6)
    check(Pruning(rewind_to="0it"), data, 0)
    check(Pruning(rewind_to="5it", resume_schedule=False), data, 5)
    with pytest.raises(UserError, match="inside an epoch"):
        check(Pruning(rewind_to="3it"), data, 3, steps_per_epoch({"accumulate_grad_batches": 2}, data))
    stateful = Blobs(batch_size=30)
    stateful.prepare()
    check(Pruning(rewind_to="5it"), stateful, 5)
    last_five = Pruning(methods=[LRRewinding(5)])
    with pytest.raises(
        UserError, match=r"5it_before_end of 12 iterations is inside an epoch.*multiples of 3"
    ) as raised:
        check(last_five, data, 0)
    assert "\n" not in str(raised.value)
    check(last_five, stateful, 0)
    check(Pruning(methods=[LRRewinding(6)]), data, 0)


def test_no_method_is_rewound_to_the_end() -> None:
    with pytest.raises(
        UserError, match=r"iterative_12it is rewound to iteration 12, but a training ends at iter.* 12;"
    ):
        check(Pruning(methods=[Iterative("12it")]), Blobs(), 0)


@pytest.mark.parametrize("iterations", [ITERATIONS, ITERATIONS + 1])
def test_no_round_trains_more_than_the_dense_network(iterations: int) -> None:
    with pytest.raises(UserError, match=rf"lr_rewinding trains {iterations} iterations.* has 12; give fewer, or leave"):
        check(Pruning(methods=[LRRewinding(iterations)]), Blobs(), 0)
