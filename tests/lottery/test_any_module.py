"""Any LightningModule with any LightningDataModule enters a lottery, from a file of the user's own."""

import itertools
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import user_modules
from helpers.tiny_lottery import everything
from lightning.pytorch import Trainer

from app import __main__
from app.common.errors import Interrupted
from app.runs.layout import NetworkKey, RunLayout
from app.runs.table import read_metrics, read_results
from app.runs.tensors import load_tensors
from app.runs.ticket import load_ticket
from callbacks import resume_checkpoint

# What may be pruned by default, and its kind.
PRUNED = {
    "ResNet": {"net.0.weight": "conv", "net.1.conv1.weight": "conv", "net.1.conv2.weight": "conv"}
    | {"net.5.weight": "output"},
    "Recurrent": {"rnn.weight_ih_l0": "ih", "rnn.weight_hh_l0": "hh", "head.weight": "output"},
    "TwoInputs": {"left.weight": "fc", "right.weight": "fc", "head.weight": "output"},
    "Tied": {"first.weight": "fc", "second.weight": "output"},  # the last linear layer that no embedding shares
    "Compiled": {"net.1.weight": "fc", "net.3.weight": "output"},
}
RATES = {"output": 0.1}


def lottery(name: str, directory: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> RunLayout:
    """The run directory of a lottery that went well."""
    assert run(name, directory, monkeypatch, *more) == 0
    return RunLayout(directory / "runs" / name)


def run(name: str, directory: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    """`python -m app lottery` in this process, with the user's file beside the command line; its exit code."""
    shutil.copy(user_modules.__file__, directory / "mine.py")
    monkeypatch.syspath_prepend(directory)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    monkeypatch.chdir(directory)
    monkeypatch.setattr("warnings.showwarning", None)
    arguments = [
        *("lottery", "--model", f"mine.{name}", "--data", f"mine.{'Halves' if name == 'TwoInputs' else 'Images'}"),
        *("--trainer.max_epochs", "2", "--trainer.accelerator", "cpu", "--trainer.logger", "false"),
        *("--experiment", name, "--pruning.rounds", "2", *more),
    ]
    monkeypatch.setattr("sys.argv", ["app", *arguments])
    return __main__.main(arguments)


@pytest.mark.parametrize("name", PRUNED)
@pytest.mark.filterwarnings("ignore:Trying to infer the `batch_size`")
def test_a_users_module_is_pruned_by_default(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = lottery(name, tmp_path, monkeypatch, "--pruning.random_reinit", "1")
    said = capsys.readouterr().out
    assert f"{name} does not declare what may be pruned" in said
    assert "goes on from the end of its last epoch" in said
    networks = layout.networks()
    assert len(networks) == 5
    for key, files in networks.items():
        masks, final = load_tensors(files.mask), load_tensors(files.final)
        assert masks.keys() == PRUNED[name].keys()
        for parameter, kind in PRUNED[name].items():
            left = size = masks[parameter].numel()
            for _ in range(key.round):
                left -= round(RATES.get(kind, 0.2) * left)
            assert int(masks[parameter].sum()) == left, (key, parameter, size)
            assert not final[parameter][~masks[parameter]].any()
    initial, ticket = load_tensors(layout.initial(0)), networks[NetworkKey(0, "iterative", 2)]
    assert not any("_orig_mod" in key for key in initial)

    # The ticket fits the same network uncompiled, and begins with the masked initial weights.
    module = getattr(user_modules, name)()
    if name == "Compiled":
        module.net = module.net._orig_mod
    masks = load_ticket(ticket.root, module)
    for parameter, weight in module.named_parameters():
        expected = initial[parameter] * masks[parameter] if parameter in masks else initial[parameter]
        assert weight.equal(expected), parameter
    if name == "Tied":
        assert module.third.weight is module.second.weight


def test_what_it_logs_is_recorded_and_its_test_is_measured_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = lottery("ResNet", tmp_path, monkeypatch)
    rows = read_metrics(layout.networks()[NetworkKey(0, "iterative", 1)].metrics)
    assert [row["iteration"] for row in rows] == [0, 5, 10]
    assert set(rows[0]) == {"iteration", "val_loss", "val_acc", "train_loss"}
    assert torch.tensor(rows[0]["train_loss"]).isnan(), "there is none before the first iteration"
    for row in read_results(layout.results):
        best = min(read_metrics(layout.networks()[row.key].metrics), key=lambda row: row["val_loss"])
        assert row.early_stop_iteration == best["iteration"]
        assert row.value("early_stop_val_acc") == best["val_acc"]
        assert row.value("final_test_acc") * 40 == pytest.approx(round(row.value("final_test_acc") * 40))
        assert torch.tensor(row.value("early_stop_test_acc")).isnan()


def test_another_metric_may_decide_on_the_early_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = lottery("ResNet", tmp_path, monkeypatch, "--best.monitor", "val_acc", "--best.mode", "max")
    for row in read_results(layout.results):
        rows = read_metrics(layout.networks()[row.key].metrics)
        assert row.value("early_stop_val_acc") == max(each["val_acc"] for each in rows)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--best.monitor", "val_top"), "best.monitor is 'val_top', which ResNet does not log at validations; it logs"),
        (("--pruning.rewind_to", "3it"), "inside an epoch, and the training data cannot go on there"),
        (("--pruning.rates.fc", "0.2"), "the layer kinds of this network are conv, output"),
        (("--pruning.score", "mine.ResNet"), "pruning.score: mine.ResNet is not a subclass of app.pruning"),
        (("--pruning.methods", "[magic]"), "pruning.methods is 'magic'; expected one of dense, iterative"),
    ],
)
def test_what_is_missing_is_one_line(
    option: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("ResNet", tmp_path, monkeypatch, *option) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_rewinding_to_the_end_of_an_epoch_goes_on_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain DataLoader has its order of that epoch: the dense network and its copy without pruning are the same."""
    layout = lottery("ResNet", tmp_path, monkeypatch, "--pruning.rewind_to", "1ep", "--pruning.rounds", "1")
    rows = read_metrics(layout.networks()[NetworkKey(0, "iterative", 1)].metrics)
    assert [row["iteration"] for row in rows] == [10]
    report = (layout.networks()[NetworkKey(0, "iterative", 1)].report).read_text()
    assert re.search(r'"began_at": 5', report)


def test_it_ends_with_the_same_bits_however_often_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after every epoch: a plain DataLoader goes on with the order that it would have had."""
    (tmp_path / "once").mkdir()
    (tmp_path / "often").mkdir()
    once = lottery("ResNet", tmp_path / "once", monkeypatch, "--data.workers", "1", "--pruning.rounds", "1")

    saved = resume_checkpoint.save_atomically

    def save_and_stop(trainer: Trainer, path: Path, **options: Any) -> None:
        saved(trainer, path, **options)
        raise Interrupted

    monkeypatch.setattr(resume_checkpoint, "save_atomically", save_and_stop)
    monkeypatch.setattr(resume_checkpoint.time, "monotonic", itertools.count(step=100).__next__)  # always due
    codes = []
    while not codes or codes[-1] == 130:
        codes.append(run("ResNet", tmp_path / "often", monkeypatch, "--pruning.rounds", "1"))
    assert codes == [130, 130, 0], "each of two networks was stopped after its first epoch"
    assert everything(once.root) == everything(tmp_path / "often/runs/ResNet")
