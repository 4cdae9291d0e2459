import copy
import os
import signal
import sys
import threading
import time
import warnings

import pytest
import torch
import wandb
from helpers import wandb_offline
from helpers.waiting import wait_until
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from app.common.errors import UserError
from app.training.rounds_wandb_logger import RoundsWandbLogger

# torch 2.13 says so wherever Lightning 2.6.6 makes a loader.
pytestmark = pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning")
ITERATIONS = 4


@pytest.fixture(autouse=True)
def _left_as_found(monkeypatch):
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    before, threads = interpreter(), threading.active_count()
    yield
    # Threads of another test may end in the meantime, and W&B's own take a moment.
    wait_until(lambda: threading.active_count() <= threads)  # for ever if one outlives finish()
    after = interpreter()
    wandb.teardown()
    assert after == before, "something of W&B outlived finish()"


def interpreter():
    """What W&B touches: its environment variables, the hooks it replaces, and child processes."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("WANDB_")}
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        children = True
    except ChildProcessError:
        children = False
    return environment, sys.exit, sys.excepthook, children


class Regression(LightningModule):
    def __init__(self, diverges=False):
        super().__init__()
        self.layer, self.diverges = torch.nn.Linear(2, 1), diverges

    def training_step(self, batch, batch_idx):
        if self.diverges:
            raise ArithmeticError
        loss = self.layer(batch).square().mean()
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(logger, module=None):
    trainer = Trainer(
        accelerator="cpu",
        max_steps=ITERATIONS,
        logger=logger,
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(module or Regression(), torch.ones(ITERATIONS, 3, 2))


def begin_run(logger, tmp_path, run_id="abc"):
    logger.begin_run(run_id=run_id, name="iterative 0", group="mnist", save_dir=tmp_path, config={"rounds": 2})


def train_rounds(tmp_path, densities=(1.0, 0.8)):
    logger = RoundsWandbLogger(tags=["tree"])
    begin_run(logger, tmp_path)
    for round_, density in enumerate(densities):
        logger.begin_round(round=round_, density=density, offset=round_ * ITERATIONS)
        fit(logger)
        logger.end_round({"test_accuracy": 0.9 + round_ / 100})
    logger.finish()
    (path,) = wandb_offline.files(tmp_path)
    return path


def one(path, kind):
    (record,) = [getattr(record, kind) for record in wandb_offline.records(path) if record.HasField(kind)]
    return record


def test_rounds_are_one_run_whose_steps_count_on(tmp_path):
    rows = [row for row in wandb_offline.history(train_rounds(tmp_path)) if "train/loss" in row]

    assert [row["trainer/global_step"] for row in rows] == list(range(2 * ITERATIONS))
    assert [row["iteration"] for row in rows] == 2 * list(range(ITERATIONS))
    assert [row["round"] for row in rows] == ITERATIONS * [0] + ITERATIONS * [1]
    assert [row["density"] for row in rows] == ITERATIONS * [1.0] + ITERATIONS * [0.8]
    steps = [row["_step"] for row in rows]
    assert steps == sorted(set(steps))


def test_round_summaries_stand_against_density(tmp_path):
    path = train_rounds(tmp_path)

    summaries = [row for row in wandb_offline.history(path) if "round/density" in row]
    columns = "round/density", "round/round", "round/test_accuracy", "trainer/global_step"
    assert [tuple(row[column] for column in columns) for row in summaries] == [(1.0, 0, 0.9, 3), (0.8, 1, 0.91, 7)]

    metrics = [record.metric for record in wandb_offline.records(path) if record.HasField("metric")]
    axes = {metric.name: metric.step_metric for metric in metrics if metric.name}
    assert axes["round/test_accuracy"] == axes["round/round"] == "round/density"
    assert axes["round/density"] == axes["trainer/global_step"] == ""
    assert {metric.glob_name: metric.step_metric for metric in metrics if not metric.name} == {
        "*": "trainer/global_step"
    }


def test_the_run_says_whose_it_is(tmp_path):
    run = one(train_rounds(tmp_path), "run")

    assert (run.run_id, run.display_name, run.run_group, run.project) == (
        "abc",
        "iterative 0",
        "mnist",
        "trees-and-tickets",
    )
    assert list(run.tags) == ["tree"]
    assert {item.key: item.value_json for item in run.config.update}["rounds"] == "2"


def test_another_run_ends_the_one_before(tmp_path):
    logger = RoundsWandbLogger()
    for run_id in "ab":
        begin_run(logger, tmp_path, run_id)
        begin_run(logger, tmp_path, run_id)  # the same again goes on
        logger.begin_round(round=0, density=1.0, offset=0)
        logger.log_metrics({"val_loss": 1.0}, step=0)
    with pytest.raises(RuntimeError, match="without begin_round"):
        begin_run(logger, tmp_path, "c") or logger.end_round({})
    logger.finish()

    paths = wandb_offline.files(tmp_path)
    assert sorted(one(path, "run").run_id for path in paths) == ["a", "b"]
    assert [len(wandb_offline.history(path)) for path in paths] == [1, 1]


def test_a_killed_run_goes_on_in_a_second_directory_of_the_same_id(tmp_path):
    rows = 500

    def train(start):
        logger = RoundsWandbLogger()
        begin_run(logger, tmp_path)
        logger.begin_round(round=0, density=1.0, offset=0)
        for step in range(start, rows):
            logger.log_metrics({"val_loss": 1.0}, step=step)
        return logger

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads: the child computes nothing
        child = os.fork()
    if not child:
        try:
            train(start=0)
            while wandb_offline.files(tmp_path)[0].stat().st_size < wandb_offline.BLOCK:
                time.sleep(0.01)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    train(start=10).finish()

    paths = wandb_offline.files(tmp_path)
    assert [one(path, "run").run_id for path in paths] == ["abc", "abc"]
    killed, resumed = ([row["trainer/global_step"] for row in wandb_offline.history(path)] for path in paths)
    assert killed == list(range(len(killed)))
    assert 0 < len(killed) <= rows
    assert resumed == list(range(10, rows))
    assert [row["_step"] for row in wandb_offline.history(paths[1])] == resumed


def test_wandb_mode_disabled_wins_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.MonkeyPatch.context() as user:
        user.setenv("WANDB_MODE", "disabled")
        logger = RoundsWandbLogger()
        begin_run(logger, tmp_path / "runs")
        logger.begin_round(round=0, density=1.0, offset=0)
        fit(logger)
        logger.end_round({"test_accuracy": 0.9})
        logger.finish()
        assert os.environ["WANDB_MODE"] == "disabled"

    assert not [path for path in tmp_path.rglob("*") if path.name != "lightning_logs"]


def test_by_itself_it_is_a_plain_logger(tmp_path):
    logger = RoundsWandbLogger(project="mine", save_dir=str(tmp_path))
    assert logger.save_dir == str(tmp_path)
    fit(logger)
    fit(logger)
    logger.finish()

    (path,) = wandb_offline.files(tmp_path)
    assert one(path, "run").project == "mine"
    rows = wandb_offline.history(path)
    assert [row["trainer/global_step"] for row in rows] == 2 * list(range(ITERATIONS))
    assert {key for row in rows for key in row if not key.startswith("_")} == {
        "train/loss",
        "epoch",
        "trainer/global_step",
    }


@pytest.mark.parametrize(("diverges", "exit_code"), [(False, 0), (True, 1)])
def test_the_run_ends_as_the_training_did(tmp_path, diverges, exit_code):
    logger = RoundsWandbLogger(save_dir=str(tmp_path))
    logger.log_metrics({"started": 1.0}, step=0)
    try:
        fit(logger, Regression(diverges))
    except ArithmeticError:
        assert diverges
    logger.finish()

    (path,) = wandb_offline.files(tmp_path)
    assert one(path, "exit").exit_code == exit_code


def test_it_prints_nothing_and_starts_only_when_used(tmp_path, capfd):
    logger = RoundsWandbLogger(save_dir=str(tmp_path))
    begin_run(copy.deepcopy(logger), tmp_path)
    logger.finish()
    assert not list(tmp_path.iterdir())

    logger.log_metrics({"val_loss": 1.0}, step=0)
    assert copy.deepcopy(logger).version is None
    logger.finish()
    assert wandb_offline.files(tmp_path)
    assert capfd.readouterr() == ("", "")


def test_other_ranks_do_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    monkeypatch.setattr(wandb, "init", None)
    logger = RoundsWandbLogger()
    begin_run(logger, tmp_path)
    logger.begin_round(round=0, density=1.0, offset=0)
    logger.log_metrics({"val_loss": 1.0}, step=0)
    logger.log_hyperparams({"lr": 0.1})
    logger.end_round({})
    logger.finalize("success")
    logger.experiment.log({})
    logger.finish()
    assert not list(tmp_path.iterdir())


def test_what_wandb_refuses_is_said_in_one_line(tmp_path):
    logger = RoundsWandbLogger(save_dir=str(tmp_path))
    with pytest.MonkeyPatch.context() as user:
        user.setenv("WANDB_MODE", "of")
        with pytest.raises(UserError, match=r"^W&B does not start \(.*WANDB_MODE=offline or disabled$"):
            logger.log_metrics({"val_loss": 1.0}, step=0)
        logger.finish()


def test_it_is_configured_from_yaml():
    parser = ArgumentParser()
    parser.add_argument("--logger", type=Logger)
    config = (
        "logger: {class_path: app.training.RoundsWandbLogger, init_args: {project: mine, tags: [a], offline: true}}"
    )
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes  # its name until 4.50
    logger = instantiate(parser.parse_string(config)).logger
    assert isinstance(logger, RoundsWandbLogger)
    assert logger.name == "mine"
