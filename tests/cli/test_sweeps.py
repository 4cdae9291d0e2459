"""Sweeps: the command lines that W&B's agent makes of the files are run, for two trials each."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
import yaml
from helpers import wandb_offline
from helpers.command import REPOSITORY, in_process, needs_digits
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from app.runs.automatic_name import automatic_name

SHORT = {
    "lenet_lr": ["--trainer.max_steps=20"],
    "on_lstm_grammar": ["--trainer.max_steps=3", "--trainer.val_check_interval=3", "--trainer.limit_val_batches=1"],
}


def trials(name: str) -> Iterator[list[str]]:
    """The command lines of two trials, as the agent makes them: those of the first values, and of the last."""
    sweep = yaml.safe_load((REPOSITORY / f"configs/sweeps/{name}.yaml").read_text())
    for number in (0, -1):
        chosen = {
            parameter: {"value": [*range_.get("values", ()), range_.get("min"), range_.get("max")][number]}
            if "min" in range_
            else {"value": range_["values"][number]}
            for parameter, range_ in sweep["parameters"].items()
        }
        filled: dict[str, Any] = {
            "${env}": ["/usr/bin/env"],
            "${interpreter}": [sys.executable],
            "${program}": [sweep["program"]],
            "${args}": create_sweep_command_args({"args": chosen})["args"],
        }
        yield [part for chunk in create_sweep_command(list(sweep["command"])) for part in filled.get(chunk, [chunk])]


@needs_digits
@pytest.mark.parametrize("name", SHORT)
def test_two_trials(name: str, tmp_path: Path) -> None:
    (tmp_path / "configs").symlink_to(REPOSITORY / "configs")
    for number, command in enumerate(trials(name)):
        assert command[:4] == ["/usr/bin/env", sys.executable, "-m", "app"]
        # The agent names the run of a trial.
        trial = {"WANDB_MODE": "offline", "WANDB_SWEEP_ID": "s", "WANDB_RUN_ID": "trial"} if number else {}
        done = in_process(*command[4:], *SHORT[name], cwd=tmp_path, **trial)
        assert done.returncode == 0, done.stderr
    wandb.teardown()
    what = {"lenet_lr": "lenet_mnistsample_", "on_lstm_grammar": "onlstm_grammar_"}[name]
    assert len(list((tmp_path / "runs").glob(f"{what}????????/seed_0/best.ckpt"))) == 2
    (path,) = (tmp_path / "runs").rglob("offline-run-*/run-*.wandb")
    run = wandb_offline.run(path)
    assert run["run_id"] == "trial"
    assert run["summary"]["val_loss"] > 0  # what the sweep compares


def test_a_name_says_what_is_trained_and_differs_with_it() -> None:
    def config(lr: float = 0.1, seed: int = 0, logger: Any = False) -> dict[str, Any]:
        net = {"class_path": "app.nets.LeNet"}
        model = {"class_path": "app.modules.Classifier", "init_args": {"net": net, "lr": lr}}
        data, trainer = {"class_path": "datamodules.MNIST"}, {"max_steps": 3, "logger": logger}
        return {"model": model, "data": data, "trainer": trainer, "seed_everything": seed, "ckpt_path": None}

    name = automatic_name(config())
    assert name.startswith("lenet_mnist_")
    assert automatic_name(config(seed=1)) == automatic_name(config(logger=True)) == name
    assert automatic_name(config(lr=0.2)) != name
    assert automatic_name({"model": {"class_path": "mine.Über-Net"}}).startswith("ber_net_")


def test_a_measuring_command_finds_the_experiment(tmp_path: Path) -> None:
    tiny = (
        *("--model", "app.modules.Classifier", "--model.net", "helpers.tiny_lottery.TinyNet"),
        *("--model.num_classes", "3", "--data", "helpers.tiny_lottery.Blobs", "--data.batch_size", "30"),
        *("--trainer.accelerator", "cpu", "--trainer.max_epochs", "1", "--experiment", "auto"),
    )
    for command in ("fit", "test"):
        done = in_process(command, *tiny, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    (experiment,) = (tmp_path / "runs").iterdir()
    assert experiment.name.startswith("tinynet_blobs_")
