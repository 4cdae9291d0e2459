"""What a mistake gets: one line with what, where and what to do; exit code 2; nothing overwritten."""

import errno
import json
import logging
import math
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch
from helpers.command import SMALL, in_process, needs_digits
from lightning.pytorch.utilities.exceptions import SIGTERMException

from app import __main__
from app.common import used_kernels
from app.common.errors import Interrupted, RunError, UserError
from app.common.processor import instruction_set
from app.common.signals import StoppedAtOnce
from app.common.states import digest
from app.runs import config
from app.runs.checksums import record
from app.runs.layout import RunLayout
from app.runs.tensors import load_tensors, save_tensors

pytestmark = needs_digits

TINY = (*SMALL, "--trainer.max_steps", "4", "--trainer.val_check_interval", "2", "--pruning.random_reinit", "0")


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a finished small run in runs/quickstart."""
    directory = tmp_path_factory.mktemp("finished")
    done = in_process("lottery", *TINY, cwd=directory)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["lottery", *TINY, "--pruning.rates.fc", "1.2"], r"rates\.fc is 1\.2.*between 0 and 1"),
        (["lottery", *TINY, "--pruning.rates.conv", "0.2"], r"rates names conv.*fc, output"),
        (["lottery", *TINY, "--pruning.ronds", "3"], r"pruning\.ronds"),
        (["lottery", *TINY, "--trainer.max_step", "3"], r"trainer\.max_step"),
        (["lottery", *TINY, "--pruning.rounds", "many"], r"pruning\.rounds.*many"),
        (["lottery", *TINY, "--pruning.rounds", "-1"], r"pruning\.rounds is -1"),
        (["lottery", *TINY, "--pruning.methods", "[iteratively]"], r"pruning\.methods.*iteratively"),
        (["lottery", *TINY, "--pruning.rewind_to", "soon"], r"rewind_to is 'soon'.*500it"),
        (["lottery", *TINY, "--pruning.rewind_to", "4it"], r"rewind_to is 4it.*ends at iteration 4"),
        (["lottery", *TINY, "--pruning.rewind_to", "1ep"], r"rewind_to is 1ep \(iteration 67\).*ends at iteration 4"),
        (["lottery", *TINY, "--pruning.methods", "[one_shot]", "--pruning.scope", "kind"], r"add iterative"),
        (["lottery", *TINY, "--pruning.methods", "[one_shot]", "--pruning.random_mask", "1"], r"add iterative"),
        (["lottery", *TINY, "--trainer.fast_dev_run", "true"], r"fast_dev_run.*max_steps"),
        (["lottery", *TINY, "--pruning.workers", "0"], r"pruning\.workers is 0"),
        (["lottery", *TINY, "--pruning.workers", "9999"], r"workers 9999 x threads 1 is more.*oversubscribe true"),
        (
            ["lottery", *TINY, "--trainer.devices", "2", "--trainer.strategy", "ddp", "--pruning.workers", "2"],
            r"workers is 2.*one device each.*devices 1",
        ),
        (["lottery", *TINY, "--seed_everything", "true"], r"seed_everything must be a whole number"),
        (["lottery", *TINY, "--config", "nowhere.yaml"], r"nowhere\.yaml"),
        (["lottery", *TINY, "--trainer.strategy", "ddp_spawn"], r"pruning does not work with"),
        (["lottery", *TINY, "--data", "datamodules.MNIST", "--data.download", "false"], r"data"),
        (["lottery", *TINY, "--data.init_args.batch_size", "0"], r"^error: data\.batch_size is 0"),
        (["lottery"], r"lottery\.data, lottery\.model"),
        (["lottery", *TINY, "--experiment", "null"], r"--experiment is missing"),
        (
            ["draw"],
            r"there is no command draw; choose one of lottery, report, dashboard, stability, export, status, fit,",
        ),
        (["validate"], r"validate needs a trained network: give its run directory"),
        (["test", "--ckpt_path", "no.ckpt"], r"--ckpt_path no\.ckpt: no such file"),
        (["status", "/dev/null"], r"/dev/null: no run directory"),
        (["report", "nowhere"], r"nowhere"),
        (["report"], r"RUN|run"),
        (["status", "nowhere"], r"nowhere: no run directory"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else "",
)
def test_one_line_and_exit_code_2(
    arguments: list[str],
    says: str,
    tmp_path: Path,
) -> None:
    done = in_process(*arguments, cwd=tmp_path)
    stderr = done.stderr
    assert done.returncode == 2, stderr
    assert re.search(says, stderr), stderr
    assert len(stderr.splitlines()) == 1, stderr
    assert not list(tmp_path.rglob("*.safetensors")), "something was begun"


def test_unknown_key_in_a_file_names_the_key(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("pruning:\n  ronuds: 3\n")
    done = in_process("lottery", *TINY, "--config", "more.yaml", cwd=tmp_path)
    stderr = done.stderr
    assert done.returncode == 2
    assert "ronuds" in stderr
    assert len(stderr.splitlines()) == 1


def test_another_configuration_is_refused_and_says_what_differs(finished: Path) -> None:
    before = contents(finished)
    arguments = ("lottery", *TINY, "--pruning.rates.fc", "0.3", "--seed_everything", "7")
    done = in_process(*arguments, cwd=finished)
    assert done.returncode == 2
    stderr = done.stderr
    assert "pruning.rates.fc: 0.2 -> 0.3; seed_everything: 0 -> 7" in stderr
    assert len(stderr.splitlines()) == 1
    assert {name: data for name, data in contents(finished).items() if not name.endswith(".lock")} == {
        name: data for name, data in before.items() if not name.endswith(".lock")
    }


def test_what_has_no_effect_may_differ(finished: Path) -> None:
    arguments = ("lottery", *TINY, "--trainer.logger", "false", "--checkpoint_seconds", "3")
    done = in_process(*arguments, cwd=finished)
    assert (done.returncode, done.stderr) == (0, "")


def test_another_processor_is_refused_until_it_is_allowed(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, more = shutil.copytree(finished, tmp_path / "there"), ("--pruning.rounds", "2")
    before = instruction_set()
    monkeypatch.setattr(used_kernels, "instruction_set", lambda: "another")
    done = in_process("lottery", *TINY, cwd=there)
    assert (done.returncode, done.stderr) == (0, ""), "nothing is left to train"
    done = in_process("lottery", *TINY, *more, cwd=there)
    assert done.returncode == 2
    assert done.stderr.startswith("error: runs/quickstart was begun with other kernels (cpu: ")
    assert len(done.stderr.splitlines()) == 1
    done = in_process("lottery", *TINY, *more, "--allow_other_kernels", "true", cwd=there)
    assert done.returncode == 0
    assert done.stderr.startswith("warning: runs/quickstart was begun with other kernels (cpu: ")
    run = RunLayout(there / "runs/quickstart")
    assert [each["cpu"] for each in config.read_config(run)["kernels"]] == [before, "another"]
    reports = [json.loads(path.read_text())["kernels"]["cpu"] for path in run.root.rglob("report.json")]
    assert sorted(reports) == sorted([before, before, "another"])


def test_another_directory_is_not_taken_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "runs/quickstart").mkdir(parents=True)
    (tmp_path / "runs/quickstart/thesis.tex").write_text("important")
    done = in_process("lottery", *TINY, cwd=tmp_path)
    assert done.returncode == 2
    assert "is no run directory" in done.stderr


def test_renamed_parameters_are_refused(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "runs", tmp_path / "runs")
    layout = RunLayout(tmp_path / "runs/quickstart")
    renamed = {name.replace("fc1", "first"): value for name, value in load_tensors(layout.initial(0)).items()}
    save_tensors(layout.initial(0), renamed)
    record(layout.replicate(0), {layout.initial(0).name: digest(renamed)})
    shutil.rmtree(layout.replicate(0) / "iterative")
    done = in_process("lottery", *TINY, cwd=tmp_path)
    assert done.returncode == 2
    stderr = done.stderr
    assert "net.first.weight" in stderr
    assert len(stderr.splitlines()) == 1


def test_a_damaged_file_is_named(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "runs", tmp_path / "runs")
    (tmp_path / "runs/quickstart/replicate_0/round_00/report.json").write_text("{")
    done = in_process("lottery", *TINY, cwd=tmp_path)
    assert done.returncode == 2
    assert "round_00/report.json: not the report of a finished network" in done.stderr


def test_divergence_stops_says_where_and_keeps_what_there_is(tmp_path: Path) -> None:
    arguments = ("lottery", *TINY, "--model.init_args.optimizer.init_args.lr", "1e30")
    done = in_process(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    stderr = done.stderr
    assert re.search(r"at iteration \d+: the training diverged; try a lower learning", stderr)
    assert "Traceback" not in stderr
    assert (tmp_path / "runs/quickstart/replicate_0/round_00/metrics.csv").exists()
    assert not list(tmp_path.rglob("DONE"))


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/x"), 1, "the disk is full at runs/x"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "runs"), 1, "Permission denied at runs"),
        (RunError("loss is nan"), 1, "loss is nan"),
        (UserError("no"), 2, "error: no"),
        (Interrupted(), 130, "stopped; the same command goes on from here"),
        (Interrupted(signal.SIGTERM), 143, "terminated; the same command goes on from here"),
        (Interrupted(signal.SIGUSR1), 128 + signal.SIGUSR1, "stopped by SIGUSR1; the same command goes on from here"),
        (KeyboardInterrupt(), 130, "stopped at once; a run directory goes on"),
        (StoppedAtOnce(signal.SIGTERM), 143, "terminated at once; a run directory goes on"),
        (StoppedAtOnce(signal.SIGINT), 130, "stopped at once; a run directory goes on"),
        (SIGTERMException(), 143, "terminated at once; a run directory goes on"),
    ],
)
def test_exit_codes(
    error: BaseException, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(argv: list[str]) -> None:
        raise error

    monkeypatch.setattr(__main__, "dispatch", fail)
    monkeypatch.setattr("warnings.showwarning", None)
    assert __main__.main([]) == code
    assert says in capsys.readouterr().err


def test_what_lightning_makes_of_ctrl_c_is_a_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It asks for exit code 1, without a word."""

    def fail(argv: list[str]) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)

    monkeypatch.setattr(__main__, "dispatch", fail)
    monkeypatch.setattr("warnings.showwarning", None)
    assert __main__.main([]) == 130
    assert capsys.readouterr().err.startswith("stopped at once; ")


def test_sigterm_outside_of_a_training_is_a_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(__main__, "dispatch", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    monkeypatch.setattr("warnings.showwarning", None)
    assert __main__.main([]) == 143
    assert capsys.readouterr().err == (
        "terminated at once; a run directory goes on from its last checkpoint with the same command\n"
    )


def test_differences_are_in_effect_only() -> None:
    ours = {
        "pruning": {"rounds": 3, "plan": True, "workers": 2},
        "runs": "a",
        "trainer": {"max_steps": 5, "logger": {"x": 1}},
    }
    theirs = {"pruning": {"rounds": 2, "plan": False}, "runs": "b", "trainer": {"max_steps": 5, "logger": True}}
    assert config.differences(ours, theirs) == ["pruning.rounds: 2 -> 3"]
    assert config.flatten({"a": {"b": {}, "c": [1]}}) == {"a.b": {}, "a.c": [1]}


def test_threads_are_what_was_asked_for(finished: Path) -> None:
    assert math.isfinite(torch.get_num_threads())
    report = (finished / "runs/quickstart/replicate_0/round_00/report.json").read_text()
    assert '"threads": 1' in report


def test_what_the_code_tells_of_itself_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For example that it compiles, which takes seconds, or that it does without."""
    tells = logging.getLogger("app.nets.compiled_library")
    monkeypatch.setattr(__main__, "dispatch", lambda argv: tells.info("compiling %s", "it"))
    assert __main__.main(["fit"]) == 0
    assert capsys.readouterr().err == "compiling it\n"
    tells.info("afterwards")
    assert capsys.readouterr().err == ""
