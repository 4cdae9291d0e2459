"""Trainings that go on with other kernels than they were begun with: refused, or told in their reports."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.command import in_process
from helpers.tiny_lottery import everything
from helpers.tiny_text import write_tiny_text
from helpers.watched_lottery import run

from app.common import used_kernels
from app.common.processor import instruction_set
from app.report.provenance import read_provenance
from app.runs.config import read_config
from app.runs.layout import FitLayout, NetworkKey, RunLayout

STOP = ("--trainer.callbacks", "helpers.stopping.StopOnce", "--checkpoint_seconds", "0.001")
FIT = ("fit", "--config", "tiny.yaml", "--trainer.max_epochs", "2", *STOP)
RUN = "runs/tiny/seed_3"
ALLOWED = ("--allow_other_kernels", "true")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Pretends another processor; the arithmetic stays that of this one."""
    return lambda name: monkeypatch.setattr(used_kernels, "instruction_set", lambda: name)


def state(path: Path) -> dict[str, Any]:
    return dict(torch.load(path, weights_only=True))


def test_a_fit_that_was_stopped_is_refused_until_it_is_allowed(
    tmp_path: Path, elsewhere: Callable[[str], None]
) -> None:
    write_tiny_text(tmp_path)
    whole = in_process(*FIT, "--runs", "whole", cwd=tmp_path)
    assert (whole.returncode, whole.stderr) == (0, "")
    (tmp_path / "stop").touch()
    stopped = in_process(*FIT, cwd=tmp_path)
    assert stopped.returncode == 130, stopped.stderr
    files = FitLayout(tmp_path / RUN)
    before = state(files.last)
    assert before["global_step"] < 7
    here = instruction_set()
    assert [each["cpu"] for each in before["kernels"]] == [here]

    elsewhere("another")
    refused = in_process(*FIT, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        f"error: {RUN} was begun with other kernels (cpu: {here} -> another); bits of results may differ: go on where "
        "it was begun, or add --allow_other_kernels true\n"
    )
    assert state(files.last)["global_step"] == before["global_step"]
    allowed = in_process(*FIT, *ALLOWED, cwd=tmp_path)
    assert allowed.returncode == 0, allowed.stderr
    assert allowed.stderr.startswith(f"warning: {RUN} was begun with other kernels (cpu: {here} -> another)")
    assert len(allowed.stderr.splitlines()) == 1
    assert [each["cpu"] for each in read_config(files)["kernels"]] == [here, "another"]
    report = json.loads(files.report.read_text())
    assert report["kernels"]["cpu"] == "another"
    assert [each["cpu"] for each in report["other_kernels"]] == [here]
    assert read_provenance(files.report).kernels["cpu"] == f"{here}, then another"

    elsewhere("a third")
    for reading in (("status", "runs/tiny"), ("report", "runs/tiny"), ("test", RUN), FIT):
        done = in_process(*reading, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), f"nothing is trained: {reading}"

    alone = FitLayout(tmp_path / "whole/tiny/seed_3")
    assert files.metrics.read_bytes() == alone.metrics.read_bytes(), "only the name is another"
    ours, theirs = (state(each.last)["state_dict"] for each in (files, alone))
    assert all(ours[name].equal(theirs[name]) for name in theirs)


def test_a_directory_without_a_record_goes_on_and_says_so(tmp_path: Path, elsewhere: Callable[[str], None]) -> None:
    write_tiny_text(tmp_path)
    (tmp_path / "stop").touch()
    assert in_process(*FIT, cwd=tmp_path).returncode == 130
    files = FitLayout(tmp_path / RUN)
    text = files.config.read_text()
    files.config.write_text(text[: text.index("kernels:")] + text[text.index("seed_everything:") :])
    elsewhere("another")
    done = in_process(*FIT, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == f"{RUN} has no record of the kernels that it was begun with, so they are not compared\n"
    assert "kernels" not in read_config(files)


@pytest.mark.parametrize("stopped", ["dense 0", "iterative 1"])
def test_the_report_of_a_network_has_the_kernels_of_both_parts(
    stopped: str, tmp_path: Path, elsewhere: Callable[[str], None]
) -> None:
    """And that of a network that was trained in one piece has only its own."""
    run(tmp_path / "whole", rewind_to="5it", rounds=1)
    with pytest.raises(SystemExit):
        run(tmp_path / "halves", rewind_to="5it", rounds=1, die_at=(stopped, 7))
    elsewhere("another")
    run(tmp_path / "halves", rewind_to="5it", rounds=1)
    assert everything(tmp_path / "halves") == everything(tmp_path / "whole"), "only the name is another"
    found = {}
    for key in (NetworkKey(0, "dense", 0), NetworkKey(0, "iterative", 1)):
        report = json.loads(RunLayout(tmp_path / "halves").network(key).report.read_text())
        others = [each["cpu"] for each in report.get("other_kernels", [])]
        found[f"{key.method} {key.round}"] = (report["kernels"]["cpu"], others)
    here = instruction_set()
    if stopped == "dense 0":
        assert found == {"dense 0": ("another", [here]), "iterative 1": ("another", [])}
    else:
        assert found == {"dense 0": (here, []), "iterative 1": ("another", [here])}
