"""Lightning's own callbacks in trainings with a run directory: they work, to the same bits, or are refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from helpers import stopping
from helpers.command import in_process
from lightning.pytorch import Callback, callbacks
from safetensors.torch import load_file

from app.common.errors import UserError
from app.runs.tensors import load_tensors
from app.training.users_callbacks import check_callbacks

TINY = (
    *("--model", "app.modules.Classifier", "--model.net", "helpers.tiny_lottery.TinyNet", "--model.num_classes", "3"),
    *("--data", "helpers.tiny_lottery.Blobs", "--data.batch_size", "30", "--trainer.accelerator", "cpu"),
    *("--trainer.logger", "false", "--trainer.max_epochs", "4", "--experiment", "e"),
)
OFTEN = ("--checkpoint_seconds", "0.0001")


def configured(**init_args: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"class_path": f"lightning.pytorch.callbacks.{name}", "init_args": args} for name, args in init_args.items()
    ]


def run(command: str, cwd: Path, chosen: list[dict[str, Any]], *arguments: str) -> Any:
    stop = {"class_path": "helpers.stopping.StopOnce"}
    (cwd / "mine.yaml").write_text(yaml.safe_dump({"trainer": {"callbacks": [*chosen, stop]}}))
    more = ("--pruning.rounds", "1") if command == "lottery" else ()
    return in_process(command, *TINY, *more, "--config", "mine.yaml", *arguments, cwd=cwd)


def results(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.suffix == ".safetensors":
            found |= {f"{name} {key}": value.numpy().tobytes() for key, value in load_file(path).items()}
        elif path.suffix == ".ckpt":
            state = torch.load(path, weights_only=False)["state_dict"]
            found |= {f"{name} {key}": value.numpy().tobytes() for key, value in state.items()}
        elif path.name == "metrics.csv":
            found[name] = path.read_text()
    return found


EVERYWHERE = {
    "best, bar, EMA": {"ModelCheckpoint": {"monitor": "val_loss"}, "TQDMProgressBar": {}, "EMAWeightAveraging": {}},
    "last, bar, SWA": {
        "ModelCheckpoint": {},
        "RichProgressBar": {},
        "StochasticWeightAveraging": {"swa_lrs": 0.01, "swa_epoch_start": 1},
        "RichModelSummary": {},
    },
    "all, averages": {
        "ModelCheckpoint": {"every_n_train_steps": 2, "save_top_k": -1},
        "WeightAveraging": {},
        "EarlyStopping": {"monitor": "val_loss", "patience": 9},
    },
}
IN_FIT = {
    "accumulation, timer": {
        "GradientAccumulationScheduler": {"scheduling": {1: 2}},
        "Timer": {"duration": "00:01:00:00"},
    }
}
CASES = [("lottery", "best, bar, EMA"), *(("fit", name) for name in (*EVERYWHERE, *IN_FIT))]


@pytest.mark.parametrize(("command", "name"), CASES, ids=str)
def test_stopped_and_taken_up_again_they_come_to_the_same(command: str, name: str, tmp_path: Path) -> None:
    chosen, seen = configured(**(EVERYWHERE | IN_FIT)[name]), []
    for directory in ("whole", "stopped"):
        cwd = tmp_path / directory
        cwd.mkdir()
        if directory == "stopped":
            (cwd / stopping.SWITCH).touch()
        stops = 0
        while (done := run(command, cwd, chosen, *(OFTEN if directory == "stopped" else ()))).returncode == 130:
            stops += 1
        assert done.returncode == 0, done.stderr
        assert bool(stops) == (directory == "stopped")
        seen.append(results(cwd / "runs"))
    whole, stopped = seen
    assert whole.keys() == stopped.keys()
    assert [name for name in whole if whole[name] != stopped[name]] == []
    assert any("checkpoints/epoch=" in name for name in whole) == ("ModelCheckpoint" in str(chosen))


@pytest.mark.parametrize("averages", ["WeightAveraging", "StochasticWeightAveraging"])
def test_a_control_that_begins_late_has_none_of_the_dense_networks_averages(averages: str, tmp_path: Path) -> None:
    options = {"swa_lrs": 1e-12, "swa_epoch_start": 1} if averages.startswith("Stoch") else {}
    slow = ("--model.optimizer.init_args.lr", "1e-13", "--pruning.rewind_to", "3ep")
    slow += ("--pruning.random_reinit", "1", "--pruning.keep", "[final, start]")
    done = run("lottery", tmp_path, configured(**{averages: options}), *slow)
    assert (done.returncode, done.stderr) == (0, "")
    control = tmp_path / "runs/e/replicate_0/iterative/round_01/random_reinit_0"
    final, start = load_tensors(control / "final.safetensors"), load_tensors(control / "start.safetensors")
    for name in ("net.fc.weight", "net.output.weight"):
        torch.testing.assert_close(final[name], start[name], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("callback", "says"),
    [
        (callbacks.LearningRateFinder(), "LearningRateFinder trains for a while before"),
        (callbacks.BatchSizeFinder(), "BatchSizeFinder trains for a while before"),
        (callbacks.OnExceptionCheckpoint("."), "OnExceptionCheckpoint would begin a training with the checkpoint"),
        (callbacks.ModelPruning("l1_unstructured"), "ModelPruning leaves its masks out of checkpoints"),
        (callbacks.SpikeDetection(), "SpikeDetection cannot be restored"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Callback) else "",
)
def test_refused_in_a_run_directory(callback: Callback, says: str) -> None:
    for lottery in (False, True):
        with pytest.raises(UserError, match=f"trainer.callbacks: {says}"):
            check_callbacks([Callback(), callback], lottery=lottery)


@pytest.mark.parametrize(
    ("callback", "says"),
    [
        (callbacks.ModelCheckpoint("there"), "would save all networks in .*there; leave its dirpath out"),
        (callbacks.BackboneFinetuning(), "BackboneFinetuning keeps layers from training"),
        (callbacks.Timer("00:00:01:00"), "Timer ends the networks by the clock"),
        (callbacks.GradientAccumulationScheduler({1: 2}), "changes during a training how many batches"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Callback) else "",
)
def test_refused_in_a_lottery(callback: Callback, says: str) -> None:
    check_callbacks([callback], lottery=False)
    with pytest.raises(UserError, match=says):
        check_callbacks([callback], lottery=True)


def test_a_bar_shows_one_network() -> None:
    check_callbacks([callbacks.TQDMProgressBar()], lottery=True)
    with pytest.raises(UserError, match="TQDMProgressBar cannot show 2 networks at once"):
        check_callbacks([callbacks.TQDMProgressBar()], lottery=True, workers=2)


def test_refused_before_anything_is_made(tmp_path: Path) -> None:
    done = run("lottery", tmp_path, configured(ModelCheckpoint={"dirpath": "there"}))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not (tmp_path / "runs").exists()
