"""Configurations that come with the program are found by name, from any directory."""

from pathlib import Path

import pytest
import yaml
from helpers.command import REPOSITORY, in_process

from app.cli.shipped_configs import shipped_configs, with_paths
from app.common.errors import UserError

CONFIGS = REPOSITORY / "configs"
SHORT = str(CONFIGS / "lottery/lenet_mnist_short.yaml")
SMALL = str(CONFIGS / "ptb/on_lstm_small.yaml")
GPU = str(CONFIGS / "trainer/gpu.yaml")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_they_are_those_of_the_folder() -> None:
    assert [*shipped_configs().values()] == sorted(CONFIGS.rglob("*.yaml"))
    assert {"quickstart.yaml", "ptb/on_lstm.yaml"} < shipped_configs().keys()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["fit", "--config", "lenet_mnist_short"], ["fit", "--config", SHORT]),
        (["--config", "lenet_mnist_short.yaml", "fit"], ["--config", SHORT, "fit"]),
        (["-c", "lottery/lenet_mnist_short"], ["-c", SHORT]),
        (["--config=ptb/on_lstm_small"], [f"--config={SMALL}"]),
        (["--config", "ptb/on_lstm_small.yaml"], ["--config", SMALL]),
        (["--config=configs/ptb/on_lstm_small.yaml"], [f"--config={SMALL}"]),
        (["--config", "lenet"], ["--config", str(CONFIGS / "lenet.yaml")]),  # and not model/lenet.yaml
        (["--trainer", "configs/trainer/gpu.yaml"], ["--trainer", GPU]),
        (["--trainer=configs/trainer/gpu.yaml"], [f"--trainer={GPU}"]),
    ],
)
def test_names_become_paths(given: list[str], expected: list[str]) -> None:
    assert with_paths(given) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config", "gpu"],  # a part is no experiment
        ["--config", "trainer/gpu.yaml"],
        ["--config", "../configs/lenet"],
        ["--config", "nowhere"],
        ["--config", "{experiment: lenet}" + 300 * " "],  # longer than a path may be
        ["--config", ""],
        ["--model", "lenet"],
        ["--experiment", "lenet_mnist_short"],
        ["--experiment=lenet_mnist_short"],
        ["lenet_mnist_short"],
    ],
)
def test_everything_else_is_left_alone(arguments: list[str]) -> None:
    assert with_paths(arguments) == arguments


@pytest.mark.parametrize("name", ["lenet_mnist_short", "ptb/on_lstm_small.yaml", "configs/trainer/gpu.yaml"])
def test_a_file_of_the_users_comes_first(name: str, elsewhere: Path) -> None:
    (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
    (elsewhere / name).write_text("")
    assert with_paths(["--config", name, "--trainer", name]) == ["--config", name, "--trainer", name]


def test_a_name_of_several_is_one_line() -> None:
    several = r"several .*; choose one of grammar/on_lstm, logic/on_lstm, ptb/on_lstm, syntax/on_lstm"
    with pytest.raises(UserError, match=several):
        with_paths(["fit", "--config", "on_lstm"])


def test_what_they_name_is_found_from_there(elsewhere: Path) -> None:
    """`config: lenet_mnist.yaml` in lenet_mnist_short.yaml, and `data: ../data/mnist.yaml` in that."""
    arguments = ("--trainer", "configs/trainer/ddp.yaml", "--print_config")
    done = in_process("lottery", "--config", "lenet_mnist_short", *arguments, cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load(done.stdout)
    assert (config["experiment"], config["data"]["class_path"]) == ("lenet_mnist_short", "datamodules.MNIST")
    assert (config["trainer"]["max_steps"], config["trainer"]["strategy"]) == (5000, "ddp")
