"""What docs/extending.md and the README show of extensions works as it stands there.

The blocks that begin with a file's name are parts of that file. The lotteries run with few batches, and commands that
read a run directory run in this process.
"""

import csv
import json
import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch
from helpers.command import forget_modules_elsewhere, in_process, needs_digits
from lightning.pytorch.utilities.seed import isolate_rng

from app.__main__ import main
from app.common import protocols, prunable
from app.parsing import BUILDERS, build_tree
from app.runs.tensors import load_tensors

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text()
GUIDE = (REPOSITORY / "docs/extending.md").read_text()
TINY = ("--trainer.limit_train_batches", "4", "--trainer.accelerator", "cpu", "--pruning.rounds", "1")
LENGTHS = {"--trainer.max_epochs": "2", "--pruning.rounds": "2"}


def blocks(text: str) -> list[tuple[str, str]]:
    """The named blocks of Python: file, code."""
    return re.findall(r"```python\n# (\w+\.py)\n(.*?)```", text, re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """The arguments of every `python -m app` in blocks of commands."""
    shown = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
    return [shlex.split(line)[3:] for line in shown.splitlines() if line.startswith("python -m app ")]


def lotteries(text: str) -> dict[str, dict[str, str]]:
    """The options of every lottery, by experiment."""
    found = {}
    for command, *arguments in commands(text):
        if command == "lottery":
            options = dict(zip(arguments[::2], arguments[1::2], strict=True))
            found[options.pop("--experiment")] = options
    return found


def run(folder: Path, experiment: str, options: dict[str, str]) -> Path:
    """Run a lottery; return its run directory."""
    arguments = [word for option, value in options.items() if option != "--pruning.rounds" for word in (option, value)]
    ran = in_process("lottery", *arguments, "--experiment", experiment, *TINY, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder / "runs" / experiment


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the user works: the files of the guide."""
    folder = tmp_path_factory.mktemp("mine")
    for name, code in blocks(GUIDE):
        with open(folder / name, "a") as file:
            file.write(code)
    return folder


@pytest.fixture(scope="module")
def plain(folder: Path) -> Path:
    """One lottery with the options of all that the README shows."""
    shown = {name: options for name, options in lotteries(GUIDE).items() if name != "all_mine"}
    merged: dict[str, str] = {}
    for options in shown.values():
        assert merged | options == options | merged, "they differ in more than what they add"
        merged |= options
    assert LENGTHS.items() <= merged.items()
    return run(folder, "mine", merged)


@pytest.fixture(scope="module")
def declared(folder: Path) -> Path:
    return run(folder, "all_mine", lotteries(GUIDE)["all_mine"])


@pytest.fixture
def command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run a command in this process where the user works."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    forget_modules_elsewhere(folder)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setattr(sys, "argv", ["app"])
    return lambda *arguments: main(list(arguments))


def test_the_readme_shows_parts_of_the_guide() -> None:
    assert len(blocks(README)) == 3
    assert set(blocks(README)) <= set(blocks(GUIDE))
    shown = lotteries(README)
    assert set(shown) == {"mine", "movement", "shuffled"}
    assert shown.items() <= lotteries(GUIDE).items()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\w\]\((?!http|#)([^)#]+)\)", GUIDE))))
def test_links_lead_somewhere(link: str) -> None:
    assert (REPOSITORY / "docs" / link).exists()


@needs_digits
def test_a_network_a_score_and_a_method(plain: Path) -> None:
    results = rows(plain / "results.csv")
    assert [row["method"] for row in results] == ["dense", "iterative", "shuffled"]
    assert {"early_stop_val_loss", "final_val_accuracy"} <= results[0].keys()
    ticket, control = (plain / "replicate_0/iterative/round_01" / name for name in ("", "shuffled_0"))
    theirs, ours = (load_tensors(path / "mask.safetensors") for path in (ticket, control))
    assert theirs.keys() == {"stem.weight", "block.2.weight", "head.weight"}
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)


@needs_digits
def test_commands_take_its_run_directory(
    plain: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = [each for each in commands(GUIDE) if each[0] in ("status", "validate", "report") and "runs/mine" in each[1]]
    assert [each[0] for each in shown] == ["status", "validate", "report"]
    for each in shown:
        assert command(*[word.replace("round_02", "round_01") for word in each]) == 0
    assert "val_accuracy" in capsys.readouterr().out
    assert "shuffled weights" in (plain / "report/report.md").read_text()


@needs_digits
def test_all_that_a_module_and_its_data_may_declare(declared: Path, command: Callable[..., int]) -> None:
    results, report = rows(declared / "results.csv"), declared / "replicate_0/round_00/report.json"
    assert [row["method"] for row in results] == ["dense", "iterative", "shuffled"]
    for column in ("early_stop_val_top2", "final_val_top2", "final_train_accuracy", "final_test_accuracy"):
        assert all(0 < float(row[column]) <= 1 for row in results), column
    columns = ["iteration", "val_loss", "val_accuracy", "val_top2"]
    assert list(rows(declared / "replicate_0/round_00/metrics.csv")[0]) == columns
    assert "mnist_5k.csv" in json.loads(report.read_text())["checksums"]["data"]
    layers = json.loads(report.read_text())["layers"]
    assert {name: layer["kind"] for name, layer in layers.items() if layer["kind"]} == {
        "stem.weight": "stem",
        "block.2.weight": "conv",
        "head.weight": "output",
    }
    assert command("report", "runs/all_mine") == 0
    assert "Validation top 2" in (declared / "report/report.md").read_text()


@needs_digits
def test_what_the_module_and_the_data_declare_is_asked_for(command: Callable[..., int]) -> None:
    import mine

    network, data = mine.DeclaredNet(), mine.SeededDigits()
    assert isinstance(network, prunable.Prunable)
    assert isinstance(network, protocols.Resettable)
    assert isinstance(network, protocols.Measured)
    assert isinstance(network, protocols.FinallyMeasured)
    assert isinstance(data, protocols.Reseeded)
    data.reseed(split=1, order=2)
    data.setup("fit")
    assert isinstance(data.train_dataloader(), protocols.StatefulLoader)
    assert len(data.train_dataloader()) == data.iterations_per_epoch


@needs_digits
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")
def test_a_loop_of_the_users_own(folder: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    script = (folder / "script.py").read_text()
    short = script.replace(
        "max_epochs=2", "max_epochs=2, limit_train_batches=12, limit_val_batches=1, accelerator='cpu'"
    )
    assert short != script
    with isolate_rng(), mock.patch.dict(os.environ):
        exec(short, {})
    rounds = re.findall(r"round (\d): ([\d,]+) weights, best (\S+)", capsys.readouterr().out)
    kept = [int(number.replace(",", "")) for _, number, _ in rounds]
    assert [number for number, _, _ in rounds] == ["0", "1", "2"]
    # 72 and 576 weights of convolutions by 20 %, 15,680 of the output layer by 10 %, twice.
    assert kept == [16328, 14631, 13116]
    assert len({best for _, _, best in rounds}) == 3
    assert all((folder / best).exists() for _, _, best in rounds)


def test_a_builder_of_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = (code for name, code in blocks(GUIDE) if name == "builders_of_mine.py")
    monkeypatch.setitem(BUILDERS, "mirrored", BUILDERS["shen2018"])  # restored afterwards
    exec(code, {})
    assert build_tree([0.0] * 4, "shen2018") == (0, (1, (2, 3)))
    assert build_tree([0.0] * 4, "mirrored") == (((0, 1), 2), 3)
    assert build_tree([0.5, 0.1, 0.9, 0.2], "mirrored") == ((0, 1), (2, 3))
