"""A lottery whose networks are trained at once leaves what it would have left one after the other."""

import csv
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from helpers.tiny_lottery import everything

from app.common import used_kernels
from app.common.errors import Interrupted, RunError, UserError
from app.lottery.stacks import run as stack_run
from app.lottery.stacks.checkpoint import StackCheckpoint, read_stack
from app.lottery.stacks.group import Prepared
from app.lottery.stacks.run import StackedLottery
from app.runs.layout import NetworkKey, RunLayout
from app.runs.table import read_metrics, read_results
from app.runs.tensors import load_tensors
from app.stacked import StackedTraining
from app.training import RoundsWandbLogger
from app.training.wandb_history import LoggedTraining

Make = Callable[..., StackedLottery]


def assert_close(first: Path, second: Path) -> None:
    """The same files; weights and metrics to 1e-10, masks and iterations exactly."""
    names = [
        sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) for root in (first, second)
    ]
    assert names[0] == names[1]
    for name in names[0]:
        if name.endswith(".safetensors"):
            ours, theirs = load_tensors(first / name), load_tensors(second / name)
            assert ours.keys() == theirs.keys()
            for tensor in ours:
                torch.testing.assert_close(ours[tensor], theirs[tensor], rtol=0, atol=1e-10, msg=f"{name}: {tensor}")
        if name.endswith("metrics.csv"):
            assert_rows(read_metrics(first / name), read_metrics(second / name))
    flat = [[row.flat() for row in read_results(root / "results.csv")] for root in (first, second)]
    for rows in flat:
        for row in rows:
            del row["seconds"], row["experiment"]
    assert_rows(*flat)


def assert_rows(ours: list[Any], theirs: list[Any]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            same = value == other[name] if isinstance(value, str) else math.isclose(value, other[name], abs_tol=1e-10)
            assert same or (math.isnan(value) and math.isnan(other[name])), (name, value, other[name])


def test_same_files_as_one_after_the_other(run_at_once: Path, alone: Callable[..., Path], tmp_path: Path) -> None:
    assert_close(run_at_once, alone(tmp_path / "run"))


def test_methods_that_train_on_and_their_controls_too(
    stacked: Make, alone: Callable[..., Path], tmp_path: Path
) -> None:
    """Without a schedule the last learning rate is that of every iteration."""
    family = ["iterative", "lr_rewinding", "fine_tuning", "weights_only", "continued", "dense_continued"]
    control = {"class_path": "same_sign", "init_args": {"of": "lr_rewinding"}}
    options = {"methods": [*family, control], "random_reinit": 0, "replicates": 1}
    stacked(tmp_path / "at_once", **options).run()
    assert_close(tmp_path / "at_once", alone(tmp_path / "run", **options))
    files = RunLayout(tmp_path / "at_once").network(NetworkKey(0, "dense", 0))
    assert json.loads(files.report.read_text())["last_learning_rates"] == [[0.1]]


@pytest.mark.parametrize("options", [{"rewind_to": "5it"}, {"rewind_to": "1ep", "resume_schedule": False}])
def test_tickets_of_a_later_moment(options: dict[str, Any], stacked: Make, alone: Any, tmp_path: Path) -> None:
    few = {"replicates": 1, "methods": ["iterative"], "rounds": 1, "keep": ["final", "start"]}
    stacked(tmp_path / "a" / "run", **few | options).run()
    assert_close(tmp_path / "a" / "run", alone(tmp_path / "b" / "run", **few | options))


def test_the_report_says_how_many_were_trained_at_once(run_at_once: Path) -> None:
    report = json.loads((run_at_once / "replicate_1/round_00/report.json").read_text())
    assert report["stacked"] == 2
    assert not (run_at_once / "stack.ckpt").exists()


@pytest.mark.parametrize("at", [2, 3, 17, 31])  # a training has 12 iterations, and a validation after every fourth
def test_goes_on_where_it_was_stopped(at: int, run_at_once: Path, stacked: Make, tmp_path: Path) -> None:
    root, asked = tmp_path / "run", iter(range(1000))
    with pytest.raises(Interrupted):
        stacked(root, train={"stop": lambda: next(asked) == at}).run()
    assert (root / "stack.ckpt").exists()
    stacked(root).run()
    assert everything(root) == everything(run_at_once)


class Killed(BaseException):
    """What happens to the process."""


@pytest.mark.parametrize("at", [0, 1, 3, 5])
def test_goes_on_after_it_was_killed(
    at: int, run_at_once: Path, stacked: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it trains, after rows were written, and while networks are written."""
    root = tmp_path / "run"
    kill_at_call(monkeypatch, "app.lottery.stacks.training.StackTraining._validate", at)
    with pytest.raises(Killed):
        stacked(root, train={"checkpoint_seconds": 0.0}).run()
    monkeypatch.undo()
    kill_at_call(monkeypatch, "app.lottery.network_files.NetworkWriter.write", at)
    with pytest.raises(Killed):
        stacked(root, train={"checkpoint_seconds": 0.0}).run()
    monkeypatch.undo()
    stacked(root).run()
    assert everything(root) == everything(run_at_once)


def kill_at_call(monkeypatch: pytest.MonkeyPatch, name: str, at: int) -> None:
    owner, method = name.rsplit(".", 1)
    module, kind = owner.rsplit(".", 1)
    cls = getattr(__import__(module, fromlist=[kind]), kind)
    whole, calls = getattr(cls, method), iter(range(1000))

    def killed(*arguments: Any, **named: Any) -> Any:
        if next(calls) == at:
            raise Killed
        return whole(*arguments, **named)

    monkeypatch.setattr(cls, method, killed)


def test_a_begun_group_is_finished_with_another_number_at_once(
    run_at_once: Path, stacked: Make, tmp_path: Path
) -> None:
    root, asked = tmp_path / "run", iter(range(1000))
    with pytest.raises(Interrupted):
        stacked(root, train={"stop": lambda: next(asked) == 17}).run()
    stacked(root, stack=1).run()
    assert_close(root, run_at_once)


def test_a_network_begun_alone_goes_on_alone(run_at_once: Path, stacked: Make, tmp_path: Path) -> None:
    root, key = tmp_path / "run", NetworkKey(0, "dense", 0)
    asked = iter(range(1000))
    begun = stacked(root, train={"stop": lambda: next(asked) == 2})
    with pytest.raises(Interrupted):
        begun.lottery.make(key)
    assert begun.network.layout.network(key).last.exists()
    stacked(root).run()
    assert_close(root, run_at_once)
    assert "stacked" not in json.loads((root / "replicate_0/round_00/report.json").read_text())


def test_networks_of_another_command_are_not_thrown_away(stacked: Make, tmp_path: Path) -> None:
    root, asked = tmp_path / "run", iter(range(1000))
    with pytest.raises(Interrupted):
        stacked(root, train={"stop": lambda: next(asked) == 17}).run()
    with pytest.raises(UserError, match=r"stack\.ckpt has networks that this command does not ask for"):
        stacked(root, rounds=0, random_reinit=0, methods=[]).run()


def test_rows_that_are_lost(stacked: Make, tmp_path: Path) -> None:
    root, asked = tmp_path / "run", iter(range(1000))
    with pytest.raises(Interrupted):
        stacked(root, train={"stop": lambda: next(asked) == 5}).run()
    table = root / "replicate_1/round_00/metrics.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(
        UserError, match=rf"metrics\.csv: 1 rows, and the checkpoint counts 2.*rm {root}/stack\.ckpt, and"
    ):
        stacked(root).run()


def test_a_damaged_state_is_one_line(stacked: Make, tmp_path: Path) -> None:
    path = tmp_path / "stack.ckpt"
    path.write_bytes(b"PK nothing")
    with pytest.raises(
        UserError, match=r"stack\.ckpt: not a checkpoint .*; delete it to begin the networks in it again"
    ):
        stacked(tmp_path).run()
    torch.save({"state_dict": {}}, path)
    with pytest.raises(UserError, match=r"stack\.ckpt: no state of networks trained at once"):
        stacked(tmp_path).run()
    StackCheckpoint(networks=[], training={"flat": torch.ones(1000)}, rows=0, seconds=0.0).save(path)
    read_stack(path)
    content = bytearray(path.read_bytes())
    content[content.index(torch.ones(100).numpy().tobytes()) + 9] ^= 1  # where torch notices nothing
    path.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"stack\.ckpt: damaged .*; delete it to begin the networks in it again"):
        stacked(tmp_path).run()


def test_one_that_diverges_leaves_the_others_alone(
    run_at_once: Path, stacked: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = stack_run.prepared

    def poisoned(model: Any, job: Any) -> Prepared:
        found = whole(model, job)
        if job.key == NetworkKey(1, "dense", 0):
            found.state["net.output.bias"][:] = math.inf
        return found

    monkeypatch.setattr(stack_run, "prepared", poisoned)
    root = tmp_path / "run"
    with pytest.raises(RunError, match=r"replicate_1/round_00: val_loss is nan by iteration 0: the training diverged"):
        stacked(root).run()
    assert (root / "replicate_0/round_00/DONE").exists()
    assert not (root / "replicate_1/round_00/DONE").exists()
    monkeypatch.undo()
    stacked(root).run()
    assert_close(root, run_at_once)


class Told(RoundsWandbLogger):
    """A logger that only remembers, in place of W&B."""

    heard: ClassVar[list[dict[str, float]]] = []

    def begin_training(self, training: LoggedTraining) -> None:
        self._place = {"round": training.round, "density": training.density, "run": self._name or ""}

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if "val_loss" in metrics:
            self.heard.append({**self._place, **metrics, "iteration": step})

    def end_training(self, summary: Mapping[str, float] | None = None) -> None:
        assert summary is not None
        self.heard.append({**self._place, **{f"round/{name}": value for name, value in summary.items()}})


def test_wandb_is_told_the_same(stacked: Make, alone: Callable[..., Path], tmp_path: Path) -> None:
    """One network after the other, when they are finished."""
    few = {"replicates": 1, "methods": ["iterative"], "rounds": 1, "make_loggers": lambda: [Told()]}
    heard = []
    for name, run in (("a", lambda root: stacked(root, **few).run()), ("b", lambda root: alone(root, **few))):
        Told.heard.clear()
        run(tmp_path / name / "run")
        heard.append([{key: value for key, value in row.items() if key != "epoch"} for row in Told.heard])
    assert len(heard[0]) == len(heard[1]) == 3 * 5  # networks; validations and a summary
    for ours, theirs in zip(*heard, strict=True):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():  # accuracies as the decimals that metrics.csv has
            assert value == (pytest.approx(theirs[key], abs=1e-7) if isinstance(value, float) else theirs[key])


def test_metrics_are_written_while_it_trains(stacked: Make, tmp_path: Path) -> None:
    """Also of a run that is killed, status shows how far it was."""
    root, asked = tmp_path / "run", iter(range(1000))
    with pytest.raises(Interrupted):
        stacked(root, train={"stop": lambda: next(asked) == 8}).run()
    with open(root / "replicate_0/round_00/metrics.csv") as file:
        assert [row["iteration"] for row in csv.DictReader(file)] == ["0", "4", "8"]


def test_another_update_of_the_weights_is_refused_and_reports_tell_the_kernels(
    run_at_once: Path, stacked: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, asked = tmp_path / "run", iter(range(1000))
    with pytest.raises(Interrupted):
        stacked(root, train={"stop": lambda: next(asked) == 2}).run()
    monkeypatch.setattr(StackedTraining, "implementations", lambda self: {"stacked optimiser": "Ours"})
    monkeypatch.setattr(used_kernels, "instruction_set", lambda: "another")  # is compared for the whole lottery
    with pytest.raises(UserError, match=r"stack.ckpt was begun with other kernels \(stacked optimiser: SGD -> Ours\)"):
        stacked(root).run()
    with pytest.warns(UserWarning, match=r"stack.ckpt was begun with other kernels"):
        stacked(root, train={"config": {"allow_other_kernels": True}}).run()
    assert everything(root) == everything(run_at_once), "only the names are others"
    reports = [json.loads((root / f"replicate_{replicate}/round_00/report.json").read_text()) for replicate in (0, 1)]
    for report in reports:
        assert (report["kernels"]["cpu"], report["kernels"]["stacked optimiser"]) == ("another", "Ours")
        assert [each["stacked optimiser"] for each in report["other_kernels"]] == ["SGD"]
