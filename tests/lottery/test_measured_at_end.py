"""What `final_METRIC` says is measured of the trained network, wherever the last validation was."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny_lottery
from helpers.tiny_lottery import Blobs, TinyNet, lottery
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import Logger
from torch.nn import functional as F

from app.common.errors import RunError
from app.runs.layout import RunLayout
from app.runs.table import read_metrics, read_results
from app.runs.tensors import load_tensors


class Halved(Callback):
    """Changes the weights after the last validation, as averaging does."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for parameter in pl_module.parameters():
            parameter.data *= 0.5


def with_options(monkeypatch: pytest.MonkeyPatch, *more: Callback, **options: Any) -> None:
    """Give every Trainer of a tiny lottery these options and callbacks."""
    plain = tiny_lottery.make_trainer

    def make_trainer(root: Path, callbacks: list[Callback], logger: list[Logger], **arguments: Any) -> Trainer:
        return plain(root, [*more, *callbacks], logger, **options | arguments)

    monkeypatch.setattr(tiny_lottery, "make_trainer", make_trainer)


BY_EPOCHS = {"max_steps": -1, "max_epochs": 4, "check_val_every_n_epoch": 1, "val_check_interval": 1.0}


@pytest.mark.parametrize(
    ("options", "callbacks"),
    [
        ({"val_check_interval": 4}, ()),
        ({"val_check_interval": 5}, ()),
        ({"val_check_interval": 50}, ()),
        ({"val_check_interval": 4}, (Halved,)),
        (BY_EPOCHS, ()),
        (BY_EPOCHS | {"accumulate_grad_batches": 2}, ()),
        (BY_EPOCHS | {"check_val_every_n_epoch": 3}, ()),
    ],
    ids=str,
)
def test_final_values_are_those_of_the_final_weights(
    options: dict[str, Any], callbacks: tuple[type[Callback], ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_options(monkeypatch, *(make() for make in callbacks), **options)
    lottery(tmp_path, rounds=1).run()
    run = RunLayout(tmp_path)
    for row in read_results(run.results):
        files = run.networks()[row.key]
        net, data = TinyNet(), Blobs(batch_size=30)
        net.load_state_dict({name.removeprefix("net."): value for name, value in load_tensors(files.final).items()})
        seeds = json.loads(files.report.read_text())["seeds"]
        data.reseed(split=seeds["split"], order=seeds["order"])
        data.prepare()
        with torch.no_grad():
            for name, loader in zip(("val", "test"), data.val_dataloader(), strict=True):
                ((images, labels),) = list(loader)
                logits = net.eval()(images)
                assert row.value(f"final_{name}_accuracy") == pytest.approx(
                    float((logits.argmax(1) == labels).float().mean())
                )
                assert row.value(f"final_{name}_loss") == pytest.approx(
                    float(F.cross_entropy(logits, labels)), rel=1e-5
                )
        assert row.iterations == (8 if "accumulate_grad_batches" in options else 12)
        table = read_metrics(files.metrics)
        assert table[-1]["iteration"] == row.iterations
        assert row.early_stop_iteration == min(table, key=lambda each: each["val_loss"])["iteration"]
        assert row.early_stop_iteration in [each["iteration"] for each in read_metrics(files.metrics)]


def test_a_network_that_a_callback_has_stopped_does_not_claim_its_full_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_options(monkeypatch, EarlyStopping("val_loss", patience=1, min_delta=100, check_on_train_epoch_end=False))
    lottery(tmp_path, rounds=0).run()
    (row,) = read_results(RunLayout(tmp_path).results)
    report = json.loads(RunLayout(tmp_path).network(row.key).report.read_text())
    # One wait after iteration 0, which does not count.
    assert (row.iterations, report["iterations"], report["complete"]) == (8, 8, False)


def test_a_network_that_nothing_has_trained_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopper(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            trainer.should_stop = True

    with_options(monkeypatch, Stopper(), max_epochs=0)
    with pytest.raises(RunError, match="nothing was trained"):
        lottery(tmp_path, rounds=0).run()
    assert not list(tmp_path.rglob("DONE"))


def test_an_end_that_is_best_is_kept_as_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_options(monkeypatch, val_check_interval=50)
    lottery(tmp_path, seed=1, rounds=0, keep=["final", "best"]).run()
    run = RunLayout(tmp_path)
    (row,) = read_results(run.results)
    assert row.early_stop_iteration == 12, "the end is not the best: this test tests nothing"
    files = run.network(row.key)
    best, final = torch.load(files.best, weights_only=True), load_tensors(files.final)
    assert best["global_step"] == 12
    assert all(value.equal(best["state_dict"][name]) for name, value in final.items())
