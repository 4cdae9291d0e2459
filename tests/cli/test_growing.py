"""A lottery's run directory grows by further commands, and config.yaml with it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.command import SMALL, needs_digits

from app import __main__
from app.runs.layout import RunLayout
from app.runs.schema import read_schema
from app.runs.table import read_results

pytestmark = needs_digits

TINY = (*SMALL, "--trainer.max_steps", "2", "--trainer.val_check_interval", "2", "--pruning.random_reinit", "0")


def lottery(*options: str, cwd: Path, patch: pytest.MonkeyPatch) -> int:
    arguments = ["lottery", *TINY, *options]
    patch.chdir(cwd)
    patch.setattr("sys.argv", ["app", *arguments])
    patch.setattr("warnings.showwarning", None)
    return __main__.main(arguments)


def options_of(run: RunLayout) -> dict[str, Any]:
    pruning: dict[str, Any] = yaml.safe_load(run.config.read_text())["pruning"]
    return {name: pruning[name] for name in ("rounds", "replicates", "random_mask", "methods", "keep")}


def test_a_directory_stands_for_as_much_as_was_ever_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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
        assert lottery(*words, cwd=tmp_path, patch=monkeypatch) == 0
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
    capsys.readouterr()


def test_what_cannot_grow_is_refused_and_the_directory_stays_of_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunLayout(tmp_path / "runs/quickstart")
    (tmp_path / "control.yaml").write_text(
        "pruning:\n  methods: [iterative, {class_path: app.lottery.methods.RandomMask, init_args: {branches: 1}}]\n"
    )
    assert lottery("--config", "control.yaml", cwd=tmp_path, patch=monkeypatch) == 0
    before = run.config.read_bytes()
    capsys.readouterr()
    assert lottery("--pruning.random_mask", "1", cwd=tmp_path, patch=monkeypatch) == 2
    stderr = capsys.readouterr().err
    assert "random_mask is there twice" in stderr
    assert len(stderr.splitlines()) == 1
    (tmp_path / "control.yaml").write_text(
        (tmp_path / "control.yaml").read_text().replace("branches: 1", "branches: 2")
    )
    assert lottery("--config", "control.yaml", cwd=tmp_path, patch=monkeypatch) == 2
    stderr = capsys.readouterr().err
    assert "random_mask was " in stderr
    assert len(stderr.splitlines()) == 1
    assert run.config.read_bytes() == before
    assert lottery(cwd=tmp_path, patch=monkeypatch) == 0
