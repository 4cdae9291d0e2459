"""The lottery against the paper's sentences: what each network begins with, and what it leaves behind."""

import csv
import json
import math
from pathlib import Path

import pytest
import torch
from helpers.tiny_lottery import ITERATIONS, Blobs, TinyNet, everything, lottery

from app.lottery.methods import Finished, Method, Origin
from app.pruning import dense_masks, keep
from app.runs.layout import NetworkKey, RunLayout, TrainingLayout
from app.runs.table import read_metrics, read_results
from app.runs.tensors import load_tensors
from app.runs.ticket import load_ticket

ALL = {
    "methods": ["iterative", "one_shot"],
    "random_reinit": 2,
    "random_mask": 1,
    "replicates": 2,
    "keep": ["final", "start"],
}
FC, OUTPUT = "net.fc.weight", "net.output.weight"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    """A finished experiment with every method."""
    root = tmp_path_factory.mktemp("runs") / "everything"
    lottery(root, **ALL).run()
    return RunLayout(root)


def keep_largest(weights: dict[str, torch.Tensor], counts: dict[str, int]) -> dict[str, torch.Tensor]:
    return keep({name: weight.abs() for name, weight in weights.items()}, dense_masks(weights), counts)


def mask(run: RunLayout, *key: object) -> dict[str, torch.Tensor]:
    return load_tensors(network(run, *key).mask)


def network(run: RunLayout, *key: object) -> TrainingLayout:
    """The files of a network; the run directory knows whose control it is."""
    return run.networks()[NetworkKey(*key)]


def start(run: RunLayout, *key: object) -> dict[str, torch.Tensor]:
    return load_tensors(network(run, *key).start)


def test_results_have_one_sorted_row_per_network(run: RunLayout) -> None:
    rows = read_results(run.results)
    assert len(rows) == 2 * (1 + 2 + 2 + 2 * 2 + 2)
    order = ["dense", "iterative", "one_shot", "random_reinit", "random_mask"]
    places = [(row.replicate, order.index(row.method), row.round, row.branch) for row in rows]
    assert places == sorted(places)
    with open(run.results) as file:
        metrics = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy")
        assert next(csv.reader(file)) == [
            *("experiment", "replicate", "method", "round", "branch", "density", "early_stop_iteration"),
            *(f"{moment}_{name}" for moment in ("early_stop", "final") for name in metrics),
            *("supermask_accuracy", "iterations", "seconds"),
        ]
    # 48 and 36 weights: 12 of 48 and 4 of 36 go (3.6 rounds to 4), then 9 of 36 and 3 of 32.
    assert {row.density for row in rows if row.round == 1} == {(36 + 32) / 84}
    assert {row.density for row in rows if row.round == 2} == {(27 + 29) / 84}


def test_the_supermask_accuracy_is_that_of_the_masked_start_on_validation_images(run: RunLayout) -> None:
    values = set()
    for row in read_results(run.results):
        files = run.networks()[row.key]
        report, net, data = json.loads(files.report.read_text()), TinyNet(), Blobs()
        net.load_state_dict({name.removeprefix("net."): value for name, value in load_tensors(files.start).items()})
        data.reseed(split=report["seeds"]["split"], order=0)
        data.prepare()
        ((images, labels),) = data.val_dataloader()[0]
        share = float((net.eval()(images).argmax(1) == labels).double().mean())
        assert row.value("supermask_accuracy") == report["result"]["supermask_accuracy"] == share
        assert read_metrics(files.metrics)[0]["val_accuracy"] == pytest.approx(share)
        values.add(share)
    assert len(values) > 3, "the networks could not be told apart"


def test_a_row_says_what_metrics_say(run: RunLayout) -> None:
    for row in read_results(run.results):
        metrics = read_metrics(run.networks()[row.key].metrics)
        assert [m["iteration"] for m in metrics] == list(range(0, ITERATIONS + 1, 4))
        best = min(range(len(metrics)), key=lambda i: metrics[i]["val_loss"])
        assert row.early_stop_iteration == metrics[best]["iteration"]
        assert row.value("early_stop_val_loss") == metrics[best]["val_loss"]
        assert row.value("early_stop_test_accuracy") == metrics[best]["test_accuracy"]
        assert row.value("final_test_accuracy") == metrics[-1]["test_accuracy"]
        # Measured on all training images, not the mean over the last iterations.
        assert row.value("final_train_accuracy") * 90 == pytest.approx(round(row.value("final_train_accuracy") * 90))


@pytest.mark.parametrize("replicate", [0, 1])
@pytest.mark.parametrize("method", ["iterative", "one_shot", "random_mask"])
@pytest.mark.parametrize("round", [1, 2])
def test_tickets_start_from_the_masked_initial_weights(run: RunLayout, replicate: int, method: str, round: int) -> None:
    initial, masks = load_tensors(run.initial(replicate)), mask(run, replicate, method, round)
    for name, value in start(run, replicate, method, round).items():
        expected = initial[name] * masks[name] if name in masks else initial[name]
        assert value.equal(expected), name


def test_iterative_masks_are_the_largest_of_the_network_before(run: RunLayout) -> None:
    before = NetworkKey(0, "dense", 0)
    for round, fc, output in ((1, 36, 32), (2, 27, 29)):
        trained = load_tensors(run.network(before).final)
        masks = mask(run, 0, "iterative", round)
        for name, count in {FC: fc, OUTPUT: output}.items():
            # Masked weights of the network before are zero, so its largest are among its survivors.
            assert masks[name].equal(keep_largest({name: trained[name]}, {name: count})[name])
        before = NetworkKey(0, "iterative", round)


def test_one_shot_prunes_the_dense_network_to_the_same_counts(run: RunLayout) -> None:
    dense = load_tensors(run.network(NetworkKey(0, "dense", 0)).final)
    for round in (1, 2):
        counts = {name: int(m.sum()) for name, m in mask(run, 0, "iterative", round).items()}
        expected = keep_largest({name: dense[name] for name in counts}, counts)
        assert all(m.equal(expected[name]) for name, m in mask(run, 0, "one_shot", round).items())


def test_reinitialised_controls_have_the_tickets_mask_and_other_weights(run: RunLayout) -> None:
    masks = mask(run, 0, "iterative", 2)
    weights = [start(run, 0, "random_reinit", 2, branch)[FC] for branch in (0, 1)]
    weights.append(start(run, 0, "iterative", 2)[FC])
    for branch in (0, 1):
        assert all(m.equal(masks[name]) for name, m in mask(run, 0, "random_reinit", 2, branch).items())
    for i, one in enumerate(weights):
        assert (one != 0).equal(masks[FC])
        assert not any(one.equal(other) for other in weights[i + 1 :])


def test_random_masks_have_the_tickets_densities_elsewhere(run: RunLayout) -> None:
    ticket, random = mask(run, 0, "iterative", 2), mask(run, 0, "random_mask", 2)
    assert {name: int(m.sum()) for name, m in random.items()} == {name: int(m.sum()) for name, m in ticket.items()}
    assert not random[FC].equal(ticket[FC])


def test_replicates_differ_in_everything(run: RunLayout) -> None:
    assert not load_tensors(run.initial(0))[FC].equal(load_tensors(run.initial(1))[FC])
    seeds = [json.loads(run.network(NetworkKey(r, "dense", 0)).report.read_text())["seeds"] for r in (0, 1)]
    assert len({*seeds[0].values(), *seeds[1].values()}) == 8


def test_masked_weights_are_zero_in_the_trained_network(run: RunLayout) -> None:
    for row in read_results(run.results):
        files = run.networks()[row.key]
        masks, final = load_tensors(files.mask), load_tensors(files.final)
        for name, m in masks.items():
            assert not final[name][~m].any()
            assert not m.all() or row.round == 0


def test_the_report_says_where_it_comes_from(run: RunLayout) -> None:
    report = json.loads(run.network(NetworkKey(1, "iterative", 2)).report.read_text())
    assert report["layers"][FC] == {"kind": "fc", "weights": 48, "survivors": 27}
    assert report["density"] == report["density_prunable"] == (27 + 29) / 84
    assert report["checksums"]["data"] == {"blobs": "made up"}
    assert set(report["seeds"]) == {"initialisation", "split", "order", "training"}
    assert {"torch", "lightning", "python", "trees-and-tickets"} <= set(report["versions"])
    assert list(report["kernels"]) == ["cpu", "libraries", "float32 products", "float32 convolutions"]
    assert report["threads"] == torch.get_num_threads()


def test_load_ticket_gives_what_was_trained(run: RunLayout) -> None:
    directory, net = run.network(NetworkKey(0, "iterative", 2)).root, TinyNet()
    masks = load_ticket(directory, net)
    assert net.fc.weight.equal(start(run, 0, "iterative", 2)[FC])
    assert masks["fc.weight"].equal(mask(run, 0, "iterative", 2)[FC])
    load_ticket(directory, net, weights="final")
    assert net.fc.weight.equal(load_tensors(run.network(NetworkKey(0, "iterative", 2)).final)[FC])


def test_running_again_does_only_what_is_missing(tmp_path: Path) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    lottery(once, random_reinit=1).run()
    lottery(again, random_reinit=1).run()
    assert everything(once) == everything(again)

    removed = RunLayout(again).network(NetworkKey(0, "iterative", 1))
    removed.done.unlink()
    removed.metrics.unlink()
    repeated = lottery(again, random_reinit=1)
    trained = []
    train = repeated.train
    object.__setattr__(repeated, "train", lambda job: (trained.append(job.key), train(job))[1])
    repeated.run()
    assert trained == [NetworkKey(0, "iterative", 1)]
    assert everything(once) == everything(again)


def test_late_rewinding_returns_to_the_weights_of_that_iteration(tmp_path: Path) -> None:
    lottery(tmp_path, rounds=1, rewind_to="5it", keep=["final", "start"]).run()
    run = RunLayout(tmp_path)
    point = load_tensors(run.rewind_weights(0))
    assert not point[FC].equal(load_tensors(run.initial(0))[FC])
    assert point["net.norm.num_batches_tracked"] == 5
    assert start(run, 0, "iterative", 1)[FC].equal(point[FC] * mask(run, 0, "iterative", 1)[FC])


def test_no_rewind_point_is_written_where_it_is_the_beginning(run: RunLayout) -> None:
    assert not run.rewind_weights(0).exists()


def test_final_weights_go_when_they_are_not_to_be_kept(tmp_path: Path) -> None:
    lottery(tmp_path, keep=[], random_reinit=1).run()
    assert not list(tmp_path.rglob("final.safetensors"))
    assert len(list(tmp_path.rglob("mask.safetensors"))) == 5
    lottery(tmp_path, keep=[], random_reinit=1).run()  # and none is missed


def test_global_scope_takes_one_shots_counts_from_iterative(tmp_path: Path) -> None:
    rates = {"fc": 0.25, "output": 0.25}
    lottery(tmp_path, scope="global", rates=rates, methods=["iterative", "one_shot"]).run()
    run = RunLayout(tmp_path)
    for round in (1, 2):
        counts = [
            {n: int(m.sum()) for n, m in mask(run, 0, method, round).items()} for method in ("iterative", "one_shot")
        ]
        assert counts[0] == counts[1]


def test_one_shot_alone_knows_its_counts(tmp_path: Path) -> None:
    lottery(tmp_path, methods=["one_shot"]).run()
    masks = mask(RunLayout(tmp_path), 0, "one_shot", 2)
    assert {name: int(m.sum()) for name, m in masks.items()} == {FC: 27, OUTPUT: 29}


def test_precision_does_not_change_what_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training in float64 leaves the model in it; a control drawn after it must be the one drawn in a new process."""
    from helpers import tiny_lottery

    plain = tiny_lottery.make_trainer
    monkeypatch.setattr(
        tiny_lottery, "make_trainer", lambda *args, **kwargs: plain(*args, **kwargs, precision="64-true")
    )
    options = {"rounds": 1, "random_reinit": 1, "keep": ["final", "start"]}
    lottery(tmp_path / "one", **options).run()
    stopped = lottery(tmp_path / "two", **options)
    done = []

    def stop(job: object) -> object:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(job)
        return train(job)

    train = stopped.train
    object.__setattr__(stopped, "train", stop)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    lottery(tmp_path / "two", **options).run()
    assert everything(tmp_path / "one") == everything(tmp_path / "two")


class Emptied(Method):
    """A ticket without a weight in its first layer."""

    name = "emptied"

    def needs(self, key: NetworkKey, methods: object) -> tuple[NetworkKey, ...]:
        return (NetworkKey(key.replicate, "dense", 0),)

    def origin(self, key: NetworkKey, finished: Finished) -> Origin:
        masks = finished.dense_masks(key.replicate)
        return Origin(weights=self.weights(key, finished), masks=masks, survivors={FC: 0})


def test_a_layer_without_weights_is_told_and_the_network_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.warns(UserWarning, match=f"no weight in {FC}"):
        rows = lottery(tmp_path, rounds=1, methods=[Emptied()]).run()
    assert [(row.method, math.isfinite(row.value("final_val_loss"))) for row in rows] == [
        ("dense", True),
        ("emptied", True),
    ]
    networks = RunLayout(tmp_path).networks()
    told = {row.method: json.loads(networks[row.key].report.read_text())["collapsed"] for row in rows}
    assert told == {"dense": [], "emptied": [FC]}
    assert f"no weight is left in {FC}" in " ".join(capsys.readouterr().out.split())
