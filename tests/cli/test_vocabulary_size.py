"""`vocabulary_size: auto`: the model has as many words as its data, and everything else is as with the number."""

from pathlib import Path

import pytest
import yaml
from helpers.command import in_process
from helpers.tiny_text import CONFIG, write_tiny_text

from app.common.errors import UserError
from app.modules import LanguageModel
from app.nets import ONLSTM
from app.runs.config import read_config
from app.runs.layout import FitLayout

FIT = ("fit", "--config", "tiny.yaml", "--trainer.max_epochs", "1", "--trainer.logger", "false")
AUTO = ("--model.vocabulary_size", "auto")
RUN = Path("tiny") / "seed_3"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts of twelve words, tiny.yaml, and a training of it with `auto` in runs/."""
    made = tmp_path_factory.mktemp("auto")
    write_tiny_text(made)
    done = in_process(*FIT, *AUTO, cwd=made)
    assert done.returncode == 0, done.stderr
    return made


def test_the_number_is_recorded_and_trains_the_same(folder: Path) -> None:
    assert read_config(FitLayout(folder / "runs" / RUN))["model"]["init_args"]["vocabulary_size"] == 12
    before = (folder / "runs" / RUN / "metrics.csv").read_bytes()
    assert in_process(*FIT, "--runs", "number", cwd=folder).returncode == 0
    assert (folder / "number" / RUN / "metrics.csv").read_bytes() == before
    # The same command, and the one with the number, go on in the run directory.
    for again in (FIT, (*FIT, *AUTO)):
        done = in_process(*again, cwd=folder)
        assert done.returncode == 0, done.stderr
    assert (folder / "runs" / RUN / "metrics.csv").read_bytes() == before


def test_it_may_be_left_out(folder: Path) -> None:
    config = yaml.safe_load(CONFIG)
    del config["model"]["init_args"]["vocabulary_size"]
    (folder / "without.yaml").write_text(yaml.safe_dump(config))
    done = in_process("test", "--config", "without.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr


def test_a_lottery_takes_it_too(folder: Path) -> None:
    arguments = ("--config", "tiny.yaml", "--trainer.max_epochs", "1", "--experiment", "draw", "--pruning.rounds", "1")
    done = in_process("lottery", *arguments, *AUTO, "--pruning.plan", "true", cwd=folder)
    assert done.returncode == 0, done.stderr


def test_other_data_has_other_words(folder: Path) -> None:
    text = (folder / "train.txt").read_text()
    (folder / "longer.txt").write_text(f"{text}one more\n")
    done = in_process(*FIT, *AUTO, "--data.train", "longer.txt", cwd=folder)
    assert done.returncode == 2
    assert "model.init_args.vocabulary_size: 12 -> 14" in done.stderr
    assert "the number of words in the data's files: put the former ones back" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ("--data", "lightning.pytorch.demos.boring_classes.BoringDataModule"),
            "BoringDataModule has no vocabulary; give the number",
        ),
        (("--data.train", "nowhere.txt"), "nowhere.txt: cannot be read"),
        (("--data.bptt", "0"), "data.bptt is 0"),
        (("--model.vocabulary_size", "many"), "expected a whole number or auto"),
        (("--model.vocabulary_size", "11"), "set model.init_args.vocabulary_size to 12, or to auto"),
    ],
)
def test_mistakes_are_one_line(folder: Path, arguments: tuple[str, ...], reason: str) -> None:
    done = in_process(*FIT, *AUTO, "--runs", "wrong", *arguments, cwd=folder)
    assert done.returncode == 2
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_script_gives_the_number() -> None:
    with pytest.raises(UserError, match=r"^vocabulary_size is auto, [^\n]+ len\(data\.vocabulary\)$"):
        LanguageModel(ONLSTM(4, [4], 2))
