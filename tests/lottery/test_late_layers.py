"""Modules that make their layers in `setup` or `configure_model`, in lotteries and in commands after them."""

import csv
import re
import shutil
from pathlib import Path

import pytest
from helpers import user_modules
from helpers.command import in_process

from app.runs.tensors import load_tensors

OPTIONS = ("--data", "mine.Images", "--trainer.accelerator", "cpu", "--trainer.logger", "false")
LATE = ("InConfigureModel", "InSetup", "InEverySetup", "Filled")
TICKET = "replicate_0/iterative/round_01"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the user's modules are, with the lottery of one that makes its layers at once."""
    folder = tmp_path_factory.mktemp("late")
    shutil.copy(user_modules.__file__, folder / "mine.py")
    shutil.copy(Path(user_modules.__file__).with_name("late_layers.py"), folder / "late.py")
    draw("Early", folder)
    return folder


def draw(name: str, folder: Path) -> str:
    lottery = ("lottery", "--model", f"late.{name}", *OPTIONS, "--trainer.max_epochs", "1", "--pruning.rounds", "1")
    ran = in_process(*lottery, "--pruning.keep", "[final, start]", "--experiment", name, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return ran.stderr


def results(run: Path) -> list[dict[str, str]]:
    with open(run / "results.csv", newline="") as file:
        return [{name: value for name, value in row.items() if name not in ("experiment", "seconds")}
                for row in csv.DictReader(file)]  # fmt: skip


def measured(folder: Path, run: str) -> float:
    """What `test` measures of a network."""
    ran = in_process("test", run, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    (accuracy,) = re.findall(r"test_acc\D+([\d.]+)", ran.stdout)
    return float(accuracy)


@pytest.mark.parametrize("name", LATE)
def test_a_lottery_gives_what_it_gives_with_layers_from_the_start(here: Path, name: str) -> None:
    said = draw(name, here)
    # What a setup draws is drawn before the batches of the training.
    same_batches = name != "InEverySetup"
    ours, theirs = (results(here / "runs" / each) for each in (name, "Early"))
    assert (ours == theirs) == same_batches
    for file in ("start", "mask", "final") if same_batches else ():
        one, other = (load_tensors(here / "runs" / each / TICKET / f"{file}.safetensors") for each in (name, "Early"))
        assert one.keys() == other.keys()
        assert all(one[each].equal(other[each]) for each in one), file
    one, other = (load_tensors(here / "runs" / each / "replicate_0/initial.safetensors") for each in (name, "Early"))
    assert all(one[each].equal(other[each]) for each in one)
    changed = "Filled has changed net.1.weight; the trained or rewound weights have been put back"
    assert (changed in said) == (name == "Filled")
    accuracy = float(ours[1]["final_test_acc"])
    assert accuracy > 0.4, "no more than chance"
    assert measured(here, f"runs/{name}/{TICKET}") == pytest.approx(accuracy)


def test_a_fit_can_be_measured(here: Path) -> None:
    name = "InConfigureModel"
    fit = ("fit", "--model", f"late.{name}", *OPTIONS, "--trainer.max_epochs", "1", "--experiment", f"{name}_fit")
    ran = in_process(*fit, cwd=here)
    assert ran.returncode == 0, ran.stderr
    assert measured(here, f"runs/{name}_fit/seed_0") > 0.4
