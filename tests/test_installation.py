"""What users install without a clone: the source distribution, the wheel made of it, and commands from the wheel."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
import yaml
from helpers.command import REPOSITORY

# What is made in a clone and is no part of it, as .gitignore says: at its top, and anywhere.
MADE = ("build", "data", "runs")
MADE_ANYWHERE = ("*.egg-info", "*.pyc", "__pycache__", ".*_cache", ".git", ".hypothesis", ".venv*", "wandb")
COMMAND = "trees-and-tickets"
BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


def files(folder: Path) -> set[str]:
    """The paths of all files in a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def build(kind: str, source: Path, target: Path) -> Path:
    """Build a distribution by the installed setuptools, without an environment of its own; returns its file."""
    target.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUILD, f"build_{kind}", str(target)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = target.iterdir()
    return made


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, in which something may be built."""
    clone = tmp_path_factory.mktemp("clone") / "clone"
    anywhere = shutil.ignore_patterns(*MADE_ANYWHERE)

    def made(folder: str, names: list[str]) -> set[str]:
        return {*anywhere(folder, names), *(MADE if Path(folder) == REPOSITORY else ())}

    shutil.copytree(REPOSITORY, clone, ignore=made)
    return clone


@pytest.fixture(scope="module")
def source(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution."""
    folder = tmp_path_factory.mktemp("source")
    before = files(clone)
    with tarfile.open(build("sdist", clone, folder / "packed")) as packed:
        packed.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    made = {each for each in files(unpacked) - before if "egg-info" not in each}
    assert made <= {"PKG-INFO", "setup.cfg"}
    return unpacked


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is made of the source distribution."""
    return build("wheel", source, tmp_path_factory.mktemp("wheel") / "made")


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; everything that it requires is taken from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("fresh") / "environment"
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True)
    # A .pth file in a folder that another one names is not read, that of an editable installation neither.
    there = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    (there / "required.pth").write_text("\n".join(path for path in sys.path if Path(path).name == "site-packages"))
    return folder


def run(environment: Path, cwd: Path, program: str, *arguments: str) -> str:
    """Run a program of the environment in `cwd`, which knows nothing of the clone; returns what it prints."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(environment / "bin" / program), *arguments]
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_source_distribution_is_the_whole_repository(clone: Path, source: Path) -> None:
    """Tests, documents and configurations included."""
    assert {each for each in files(clone) if "egg-info" not in each} <= files(source)


def test_the_tests_of_the_source_distribution_run(source: Path) -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/pruning/test_select.py"]
    done = subprocess.run(command, cwd=source, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_wheel_has_whatever_lies_in_the_packages(clone: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        inside = {name for name in packed.namelist() if ".dist-info/" not in name}
    packages = {f"{room}/{path}" for room in ("app", "callbacks", "datamodules") for path in files(clone / room)}
    configs = {f"app/configs/{path}" for path in files(clone / "configs")}
    assert inside == packages | configs
    assert {f"{room}/py.typed" for room in ("app", "callbacks", "datamodules")} < inside


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(packed.read(name).decode())


def test_what_the_wheel_says_of_itself(wheel: Path) -> None:
    said = metadata(wheel)
    assert (said["Name"], said["License-Expression"]) == ("trees-and-tickets", "Apache-2.0")
    assert said["Author"] == yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())["authors"][0]["name"]
    versions = [f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)]
    assert {*versions, "Typing :: Typed"} <= {*said.get_all("Classifier", [])}


def test_the_wheel_finds_its_configurations(environment: Path, tmp_path: Path) -> None:
    names = ["lenet_mnist_short", "lenet_mnist_short.yaml", "ptb/on_lstm_small", "ptb/on_lstm_small.yaml"]
    code = "import sys; from app.cli.shipped_configs import with_paths; print(*with_paths(sys.argv[1:]), sep='\\n')"
    given = [word for name in names for word in ("--config", name)]
    found = run(environment, tmp_path, "python", "-c", code, *given).splitlines()[1::2]
    assert [path.split("/app/configs/")[-1] for path in found] == [
        *2 * ["lottery/lenet_mnist_short.yaml"],
        *2 * ["ptb/on_lstm_small.yaml"],
    ]
    assert all(Path(path).is_relative_to(environment) and Path(path).is_file() for path in found)


def test_the_command_of_the_wheel_trains_and_reports(environment: Path, tmp_path: Path) -> None:
    """With the grammar, the templates and the compiled code that lie in the packages."""
    short = ("--trainer.max_steps", "2", "--trainer.max_epochs", "1", "--trainer.logger", "configs/logger/none.yaml")
    small = ("--data.train_sentences", "60", "--data.val_sentences", "20", "--data.test_sentences", "20")
    run(environment, tmp_path, COMMAND, "fit", "--config", "grammar/on_lstm", *short, *small)
    assert (tmp_path / "runs/grammar_on_lstm/seed_0/best.ckpt").exists()
    run(environment, tmp_path, COMMAND, "report", "runs/grammar_on_lstm")
    assert (tmp_path / "runs/grammar_on_lstm/report/report.html").exists()
