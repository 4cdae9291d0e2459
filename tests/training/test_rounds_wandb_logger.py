import base64
import copy
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import wandb
from helpers import wandb_offline
from helpers.waiting import wait_until
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from app.common.metrics import Metric, Schema, accuracy, loss
from app.training import wandb_files
from app.training.rounds_wandb_logger import RoundsWandbLogger
from app.training.wandb_history import LoggedTraining

# torch 2.13 says so wherever Lightning 2.6.6 makes a loader.
pytestmark = pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning")
ITERATIONS = 4
REPOSITORY = Path(__file__).resolve().parents[2]
BLOCK = 32768  # of W&B's files, which are written a block at a time
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


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


def begin_run(logger, tmp_path, run_id="abc", **options):
    described = {"name": "iterative 0", "group": "mnist", "config": {"rounds": 2}} | options
    logger.begin_run(run_id=run_id, save_dir=tmp_path, **described)


def train_rounds(tmp_path, densities=(1.0, 0.8)):
    logger = RoundsWandbLogger(tags=["tree"])
    begin_run(logger, tmp_path, job_type="iterative", notes="of a method", tags=["LeNet", "tree"])
    for round_, density in enumerate(densities):
        logger.begin_training(LoggedTraining(length=ITERATIONS, round=round_, density=density))
        fit(logger)
        logger.end_training({"test_accuracy": 0.9 + round_ / 100})
    logger.finish()
    (path,) = wandb_offline.files(tmp_path)
    return path


def test_rounds_are_one_run_whose_steps_count_on(tmp_path):
    rows = [row for row in wandb_offline.history(train_rounds(tmp_path)) if "train/loss" in row]

    assert [row["trainer/global_step"] for row in rows] == [
        *range(ITERATIONS),
        *range(ITERATIONS + 2, 2 * ITERATIONS + 2),
    ]
    assert [row["iteration"] for row in rows] == 2 * list(range(ITERATIONS))
    assert [row["round"] for row in rows] == ITERATIONS * [0] + ITERATIONS * [1]
    assert [row["density"] for row in rows] == ITERATIONS * [1.0] + ITERATIONS * [0.8]
    steps = [row["_step"] for row in rows]
    assert steps == sorted(set(steps))


def test_round_summaries_stand_against_density(tmp_path):
    path = train_rounds(tmp_path)

    summaries = [row for row in wandb_offline.history(path) if "round/density" in row]
    columns = "round/density", "round/round", "round/test_accuracy", "trainer/global_step"
    ends = ITERATIONS + 1, 2 * ITERATIONS + 3
    assert [tuple(row[column] for column in columns) for row in summaries] == [
        (1.0, 0, 0.9, ends[0]),
        (0.8, 1, 0.91, ends[1]),
    ]

    metrics = [record["metric"] for record in wandb_offline.records(path) if record["type"] == "metric"]
    axes = {metric["name"]: metric.get("step_metric", "") for metric in metrics if "name" in metric}
    assert axes["round/test_accuracy"] == axes["round/round"] == "round/density"
    assert axes["round/density"] == axes["trainer/global_step"] == ""
    globs = {metric["glob_name"]: metric["step_metric"] for metric in metrics if "name" not in metric}
    assert globs == {"*": "trainer/global_step"}


def test_the_run_says_whose_it_is(tmp_path):
    run = wandb_offline.run(train_rounds(tmp_path))

    named = {"run_id": "abc", "display_name": "iterative 0", "run_group": "mnist", "job_type": "iterative"}
    assert {name: run[name] for name in named} == named
    assert (run["project"], run["notes"], run["tags"]) == ("trees-and-tickets", "of a method", ["tree", "LeNet"])
    assert run["config"]["update"]["rounds"] == 2


def test_the_summary_has_the_best_of_each_metric_by_its_direction(tmp_path):
    logger = RoundsWandbLogger()
    schema = Schema([loss("val_loss"), accuracy("test_accuracy"), Metric(name="noise")])
    begin_run(logger, tmp_path, schema=schema)
    for round_, values in enumerate([(0.5, 0.7, 1.0, 8.0), (0.2, 0.9, 2.0, 3.0), (0.4, 0.8, 3.0, 5.0)]):
        logger.begin_training(LoggedTraining(length=1, round=round_, density=0.8**round_))
        logger.log_metrics(dict(zip(("val_loss", "test_accuracy", "noise", "lr"), values, strict=True)), step=1)
        logger.end_training(
            {"early_stop_val_loss": values[0], "final_test_accuracy": values[1], "early_stop_iteration": 9}
        )
    logger.finish()
    (path,) = wandb_offline.files(tmp_path)
    summary = wandb_offline.run(path)["summary"]
    best = {"val_loss": 0.2, "test_accuracy": 0.9, "noise": 3.0, "lr": 5.0}
    assert {name: summary[name] for name in best} == best
    assert (summary["round/early_stop_val_loss"], summary["round/final_test_accuracy"]) == (0.2, 0.9)


def test_another_run_ends_the_one_before(tmp_path):
    logger = RoundsWandbLogger()
    for run_id in "ab":
        begin_run(logger, tmp_path, run_id)
        begin_run(logger, tmp_path, run_id)  # the same again goes on
        logger.begin_training(LoggedTraining(length=ITERATIONS, round=0, density=1.0))
        logger.log_metrics({"val_loss": 1.0}, step=0)
    with pytest.raises(RuntimeError, match="without begin_training"):
        begin_run(logger, tmp_path, "c") or logger.end_training({})
    logger.finish()

    paths = wandb_offline.files(tmp_path)
    assert sorted(wandb_offline.run(path)["run_id"] for path in paths) == ["a", "b"]
    assert [len(wandb_offline.history(path)) for path in paths] == [1, 1]


def written(tmp_path, rows):
    """A metrics.csv, as it is when a training goes on from its last row."""
    path = tmp_path / "metrics.csv"
    path.write_text("iteration,val_loss\n" + "".join(f"{row},{value(row)}\n" for row in range(rows)))
    return path


def value(row):
    return 1 / (1 + row)


def log(logger, rows):
    for row in rows:
        logger.log_metrics({"val_loss": value(row)}, step=row)


def whole(paths):
    """What is uploaded of the directories of a run, one after the other."""
    return [(row["trainer/global_step"], row["val_loss"]) for path in paths for row in wandb_offline.history(path)]


def test_a_killed_run_goes_on_with_the_rows_that_its_file_lacks(tmp_path):
    rows, saved = 500, 300
    training = LoggedTraining(length=rows, round=0, density=1.0, metrics=written(tmp_path, saved))

    def train(numbers):
        logger = RoundsWandbLogger()
        begin_run(logger, tmp_path)
        logger.begin_training(training)
        log(logger, numbers)
        return logger

    wandb.teardown()  # else the child would have its parent's connection to W&B's process, and both would write to it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads: the child computes nothing
        child = os.fork()
    if not child:
        try:
            train(range(rows))
            while wandb_offline.files(tmp_path)[0].stat().st_size < BLOCK:
                time.sleep(0.01)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    (killed,) = wandb_offline.files(tmp_path)
    data = killed.read_bytes()
    killed.write_bytes(data[: len(data) // 2])  # as if it had been killed in the middle of a row, and before `saved`
    held = len(wandb_offline.history(killed))
    assert 0 < held < saved

    train(range(saved, rows)).finish()
    paths = wandb_offline.files(tmp_path)
    assert [wandb_offline.run(path)["run_id"] for path in paths] == ["abc", "abc"]
    assert whole(paths) == [(row, value(row)) for row in range(rows)]
    assert len(wandb_offline.history(paths[0])) == held
    assert wandb_offline.run(paths[1])["summary"]["val_loss"] == value(rows - 1)


def test_a_torn_file_is_removed_and_all_is_logged_again(tmp_path):
    logger = RoundsWandbLogger()
    begin_run(logger, tmp_path)
    logger.begin_training(LoggedTraining(length=9))
    log(logger, range(4))
    logger.finish()
    (path,) = wandb_offline.files(tmp_path)
    path.write_bytes(path.read_bytes()[:7])

    logger = RoundsWandbLogger()
    begin_run(logger, tmp_path)
    logger.begin_training(LoggedTraining(length=9, metrics=written(tmp_path, 4)))
    log(logger, range(3, 6))
    logger.finish()
    (again,) = wandb_offline.files(tmp_path)
    assert whole([again]) == [(row, value(row)) for row in range(6)]


WRITING = """
import sys
with open(sys.argv[1], "ab") as file:
    print("open", flush=True)
    sys.stdin.read()
    file.write(b"\\0" * 9)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell who has a file open")
def test_a_file_is_mended_when_the_process_that_writes_it_has_ended(tmp_path, monkeypatch):
    logger = RoundsWandbLogger()
    begin_run(logger, tmp_path)
    logger.begin_training(LoggedTraining(length=9))
    log(logger, range(4))
    logger.finish()
    (path,) = wandb_offline.files(tmp_path)
    whole_size = path.stat().st_size
    with subprocess.Popen(
        [sys.executable, "-c", WRITING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout.readline()
        monkeypatch.setattr(wandb_files.time, "sleep", lambda seconds: writer.communicate())
        wandb_files.mend(tmp_path, "abc")
    assert path.stat().st_size == whole_size


def test_finished_trainings_are_logged_where_the_run_lacks_them(tmp_path):
    finished = {"early_stop_val_loss": 0.25}
    rounds = [
        LoggedTraining(length=4, round=round_, density=1 - round_ / 10, metrics=written(tmp_path, 5), finished=finished)
        for round_ in range(3)
    ]

    def complete(past):
        logger = RoundsWandbLogger()
        begin_run(logger, tmp_path, past=lambda: past)
        logger.complete()

    complete(rounds[:2])
    complete(rounds)
    complete(rounds)  # nothing is missing, and no third directory
    first, second = wandb_offline.files(tmp_path)
    steps = [[row["trainer/global_step"] for row in wandb_offline.history(path)] for path in (first, second)]
    assert steps == [[*range(12)], [*range(12, 18)]]
    summaries = [row for path in (first, second) for row in wandb_offline.history(path) if "round/round" in row]
    assert [row["round/density"] for row in summaries] == pytest.approx([1.0, 0.9, 0.8])


def test_rows_of_the_end_are_logged_with_the_end(tmp_path):
    logger = RoundsWandbLogger()
    begin_run(logger, tmp_path)
    logger.begin_training(LoggedTraining(length=9, metrics=tmp_path / "metrics.csv"))
    log(logger, range(4))
    written(tmp_path, 6)
    logger.end_training()
    logger.finish()
    assert whole(wandb_offline.files(tmp_path)) == [(row, value(row)) for row in range(6)]


FAILING = """
import os, signal, sys
from pathlib import Path
from app.training.rounds_wandb_logger import RoundsWandbLogger
from app.training.wandb_history import LoggedTraining

folder = Path(sys.argv[1])
logger = RoundsWandbLogger()
logger.begin_run(run_id="abc", name="a", group="b", save_dir=folder, config={})
logger.begin_training(LoggedTraining(length=9, metrics=folder / "metrics.csv"))
logger.log_metrics({"val_loss": 1.0}, step=0)
(service,) = (pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split())
os.kill(int(service), signal.SIGKILL)
for step in range(1, 4):
    logger.log_metrics({"val_loss": 0.5}, step=step)
logger.end_training({"test_accuracy": 0.5})
logger.log_table("t", ["a"], [[1]])
logger.experiment.log({})
logger.finish()
print("trained")
"""


def test_a_failure_of_wandb_ends_no_training_and_is_one_line(tmp_path):
    """In a process of its own, whose end is to be as quiet."""
    written(tmp_path, 4)
    command = [sys.executable, "-W", "ignore::ResourceWarning", "-c", FAILING, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
    (told,) = (line for line in done.stderr.splitlines() if not line.startswith(" "))
    # Which end of the connection notices first is chance.
    says = r"W&B has failed \(.+\); the training goes on without it, and the next command logs what"
    assert re.search(says, told)

    logger = RoundsWandbLogger()
    begin_run(logger, tmp_path, past=lambda: [LoggedTraining(length=9, metrics=tmp_path / "metrics.csv")])
    logger.complete()
    assert whole(wandb_offline.files(tmp_path))[-3:] == [(row, value(row)) for row in range(1, 4)]


def test_the_path_of_a_picture_in_a_table_becomes_the_picture(tmp_path):
    picture = tmp_path / "tree.png"
    picture.write_bytes(PNG)
    logger = RoundsWandbLogger(save_dir=str(tmp_path))
    logger.log_table("trees", ["words", "tree"], [["a b", picture]])
    logger.finish()
    (path,) = wandb_offline.files(tmp_path)
    (artifact,) = (record["artifact"] for record in wandb_offline.records(path) if record["type"] == "artifact")
    files = {Path(file["path"]).name: Path(file["local_path"]) for file in artifact["manifest"]["contents"]}
    assert files["tree.png"].read_bytes() == PNG
    ((words, tree),) = json.loads(files["trees.table.json"].read_text())["data"]
    assert words == "a b"
    assert Path(tree["path"]).name == "tree.png"


@pytest.mark.parametrize("on", [False, True])
def test_system_metrics_are_an_option(tmp_path, on):
    logger = RoundsWandbLogger(save_dir=str(tmp_path), system_metrics=on)
    logger.log_metrics({"val_loss": 1.0}, step=0)
    settings = logger.experiment.settings
    assert {settings.x_disable_stats, settings.x_disable_machine_info} == {not on}
    logger.finish()


def test_wandb_mode_disabled_wins_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.MonkeyPatch.context() as user:
        user.setenv("WANDB_MODE", "disabled")
        logger = RoundsWandbLogger()
        begin_run(logger, tmp_path / "runs")
        logger.begin_training(LoggedTraining(length=ITERATIONS, round=0, density=1.0))
        fit(logger)
        logger.end_training({"test_accuracy": 0.9})
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
    assert wandb_offline.run(path)["project"] == "mine"
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
    assert wandb_offline.run(path)["exit_code"] == exit_code


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
    logger.begin_training(LoggedTraining(length=ITERATIONS, round=0, density=1.0))
    logger.log_metrics({"val_loss": 1.0}, step=0)
    logger.log_hyperparams({"lr": 0.1})
    logger.end_training({})
    logger.finalize("success")
    logger.experiment.log({})
    logger.finish()
    assert not list(tmp_path.iterdir())


def test_what_wandb_refuses_is_said_in_one_line(tmp_path):
    logger = RoundsWandbLogger(save_dir=str(tmp_path))
    with pytest.MonkeyPatch.context() as user:
        user.setenv("WANDB_MODE", "of")
        with pytest.warns(UserWarning, match=r"^W&B has failed \(.*set WANDB_MODE=offline or disabled; the") as caught:  # noqa: PT031
            logger.log_metrics({"val_loss": 1.0}, step=0)
            logger.log_metrics({"val_loss": 1.0}, step=1)
        assert len(caught) == 1
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


def test_a_directory_of_the_same_second_is_not_written_again(tmp_path, monkeypatch):
    taken = tmp_path / "wandb/offline-run-20260101_120000-abc/run-abc.wandb"
    taken.parent.mkdir(parents=True)
    taken.touch()
    now = iter(["20260101_120000", "20260101_120000", "20260101_120001"])
    slept = []
    monkeypatch.setattr(wandb_files, "time", SimpleNamespace(strftime=lambda _: next(now), sleep=slept.append))
    wandb_files.wait_for_a_new_name(tmp_path, "abc")
    assert len(slept) == 2
    monkeypatch.setattr(wandb_files, "time", SimpleNamespace(strftime=lambda _: "20260101_120000", sleep=slept.append))
    wandb_files.wait_for_a_new_name(tmp_path, "other")
    assert len(slept) == 2
