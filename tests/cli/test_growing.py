"""A lottery's run directory grows by further commands, and config.yaml with it."""

import subprocess
from pathlib import Path
from typing import Any

import yaml
from helpers.command import SMALL, in_process, needs_digits

from app.runs.layout import RunLayout
from app.runs.schema import read_schema
from app.runs.table import read_results

pytestmark = needs_digits

TINY = (*SMALL, "--trainer.max_steps", "2", "--trainer.val_check_interval", "2", "--pruning.random_reinit", "0")


def lottery(*options: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    done = in_process("lottery", *TINY, *options, cwd=cwd)
    assert done.returncode == (2 if done.stderr else 0), done.stderr
    return done


def options_of(run: RunLayout) -> dict[str, Any]:
    pruning: dict[str, Any] = yaml.safe_load(run.config.read_text())["pruning"]
    return {name: pruning[name] for name in ("rounds", "replicates", "random_mask", "methods", "keep")}


def test_a_directory_stands_for_as_much_as_was_ever_asked_for(tmp_path: Path) -> None:
    run = RunLayout(tmp_path / "runs/quickstart")
    grown = {"rounds": 1, "replicates": 1, "random_mask": 0, "methods": ["iterative"], "keep": ["final"]}
    rows = 0
    for option, value, more in (
        ("rounds", 1, 2),
        ("rounds", 2, 1),
        ("random_mask", 1, 2),
        ("methods", ["one_shot", "iterative"], 2),
        ("rounds", 1, 0),  # a smaller command shrinks nothing
        ("random_mask", 0, 0),
        ("methods", ["app.lottery.methods.Iterative"], 0),  # the same method in other words
        ("keep", ["start"], 0),
    ):
        command = {"rounds": grown["rounds"], "random_mask": grown["random_mask"], option: value}
        words = [word for name, said in command.items() for word in (f"--pruning.{name}", f"{said}")]
        assert lottery(*words, cwd=tmp_path).returncode == 0
        if isinstance(value, list):
            known = ["iterative", "one_shot", "final", "start"]
            grown[option] += [each for each in value if each not in grown[option] and each in known]  # type: ignore[operator]
        else:
            grown[option] = max(value, grown[option])  # type: ignore[type-var]
        rows += more
        assert options_of(run) == grown
        assert len(read_results(run.results)) == rows
    order = [method.name for method in read_schema(run).methods]
    assert order == ["dense", "iterative", "one_shot", "random_mask"]
    assert [row.method for row in read_results(run.results)] == sorted(
        (row.method for row in read_results(run.results)), key=order.index
    )


def test_what_cannot_grow_is_refused_and_the_directory_stays_of_use(tmp_path: Path) -> None:
    run = RunLayout(tmp_path / "runs/quickstart")
    (tmp_path / "control.yaml").write_text(
        "pruning:\n  methods: [iterative, {class_path: app.lottery.methods.RandomMask, init_args: {branches: 1}}]\n"
    )
    assert lottery("--config", "control.yaml", cwd=tmp_path).returncode == 0
    before = run.config.read_bytes()
    refused = lottery("--pruning.random_mask", "1", cwd=tmp_path)
    assert refused.returncode == 2
    stderr = refused.stderr
    assert "random_mask is there twice" in stderr
    assert len(stderr.splitlines()) == 1
    (tmp_path / "control.yaml").write_text(
        (tmp_path / "control.yaml").read_text().replace("branches: 1", "branches: 2")
    )
    refused = lottery("--config", "control.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    stderr = refused.stderr
    assert "random_mask was " in stderr
    assert len(stderr.splitlines()) == 1
    assert run.config.read_bytes() == before
    assert lottery(cwd=tmp_path).returncode == 0
