"""The reference loop and the lottery's do the same work: they measure the same losses and end with the same weights."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.configs import composed

from app.bench import loop
from app.bench.lottery import LotteryLoop, bench_cli, loggers, network
from app.bench.noise import Noise
from app.bench.reference_loop import ReferenceLoop
from app.bench.sizes import QUICK
from app.bench.tasks import Setting
from app.lottery.network import NetworkTraining
from app.modules import Classifier
from app.nets import LeNet
from app.runs.table import read_metrics
from datamodules.in_memory_data_module import SplitSizes

# More than one epoch, and a last batch that is short.
SETTING = Setting(sizes=replace(QUICK, images=SplitSizes(250, 70, 1030), iterations=12, eval_every=4))


@pytest.fixture(autouse=True)
def _no_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["app"])


@pytest.fixture(params=loop.OPTIMIZERS)
def trained(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[LotteryLoop, ReferenceLoop]:
    """Both loops after two trainings each."""
    data = loop.lottery_data(SETTING)
    start, masks = loop.starting_point(SETTING.seed)
    made = bench_cli(loop.OPTIMIZERS[request.param][0], eval_every=SETTING.sizes.eval_every)
    reference = loop.reference_loop(SETTING, data, request.param)
    with loggers(made, data, tmp_path, iterations=SETTING.sizes.iterations, seed=SETTING.seed) as logging:
        ours = LotteryLoop(
            *(made, data, start, masks),
            iterations=SETTING.sizes.iterations,
            root=tmp_path,
            seed=SETTING.seed,
            loggers=logging,
        )
        for _ in range(2):
            assert ours() > 0
            assert reference() > 0
    return ours, reference


def test_the_reference_loop_does_what_the_lottery_does(trained: tuple[LotteryLoop, ReferenceLoop]) -> None:
    """To 1e-5: the loops may sum in different orders and compute products differently."""
    ours, reference = trained
    rows = read_metrics(ours.layout.network(network(1)).metrics)
    assert [row["iteration"] for row in rows] == [0, 4, 8, 12]
    measured = [(one.loss, one.accuracy) for one in reference.evaluations]
    recorded = [(row[f"{part}_loss"], row[f"{part}_accuracy"]) for row in rows[1:] for part in ("val", "test")]
    torch.testing.assert_close(torch.tensor(measured), torch.tensor(recorded), rtol=1e-5, atol=1e-5)
    assert measured[0] != measured[2], "nothing was learned"

    assert type(reference.net) is LeNet, "none of our code may wrap the reference network"
    weights = dict(ours.model.named_parameters())
    its = {f"net.{name}": weight for name, weight in reference.net.named_parameters()}
    assert weights.keys() == its.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, its[name], rtol=1e-5, atol=1e-5)
        assert not torch.equal(weight, ours.start[name]), f"{name} has not moved"
    for name, mask in ours.masks.items():
        assert 0.15 < mask.float().mean() < 0.25
        for values in (weights[name], its[name]):
            assert not values[~mask].any()


def test_what_is_around_the_iterations_is_told_apart(trained: tuple[LotteryLoop, ReferenceLoop]) -> None:
    ours, _ = trained
    assert len(ours.around) == 2
    assert all(seconds > 0 for seconds in ours.around)


def test_our_loop_is_the_lotterys_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same class trains, with the model and the data of its configuration."""
    with monkeypatch.context() as composing:
        config = composed("lottery/lenet_mnist.yaml", command="lottery", monkeypatch=composing)
    made = bench_cli(loop.OPTIMIZERS[loop.FUSED_ADAM][0], eval_every=100)
    assert made.context.config["model"]["class_path"] == config["model"]["class_path"]
    optimizer = config["model"]["init_args"]["optimizer"]
    ours = made.context.config["model"]["init_args"]["optimizer"]
    assert ours["class_path"] == optimizer["class_path"]
    assert ours["init_args"]["lr"] == optimizer["init_args"]["lr"] == loop.LEARNING_RATE
    assert ours["init_args"]["fused"] is optimizer["init_args"]["fused"] is True
    assert made.context.config["threads"] == config["threads"]
    for key in ("val_check_interval", "check_val_every_n_epoch", "num_sanity_val_steps"):
        assert made.context.config["trainer"][key] == config["trainer"][key]
    assert made.datamodule.batch_size == config["data"]["init_args"]["batch_size"]
    assert isinstance(made.model, Classifier)
    loop_ = LotteryLoop(*(made, Noise(), *loop.starting_point(0)), iterations=1, root=tmp_path, seed=0, loggers=None)
    assert isinstance(loop_._train, NetworkTraining)


def test_lines_of_the_table() -> None:
    setting = replace(SETTING, sizes=replace(SETTING.sizes, loop_seconds=0, evaluations=3))
    loops, evaluation = loop.tasks(setting)
    threads = torch.get_num_threads()
    rows = [row.plain() for row in (*loops.run(), *evaluation.run())]
    assert [row["goal"] for row in rows] == ["≥ 1.5", "≥ 1.5", None, None, "≤ 1.1"]
    assert all(row["unit"] == "it/s" for row in rows[:3])
    assert rows[3]["reference"] is None
    assert len(rows[4]["ours_seconds"]) == len(rows[4]["reference_seconds"]) == 3
    assert torch.get_num_threads() == threads
