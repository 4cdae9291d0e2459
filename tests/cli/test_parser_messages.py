"""What the parser finds wrong is one line: which option, what it is, what is expected."""

import re
from argparse import ArgumentError
from pathlib import Path

import pytest
from helpers.command import in_process
from jsonargparse import capture_parser
from lightning.pytorch import Callback
from lightning.pytorch.cli import LightningArgumentParser

from app.cli.parser import SUBCOMMANDS
from app.cli.parser_messages import in_one_line, options_of
from app.cli.subcommands import CLI

LENET = ("--model", "app.modules.Classifier", "--model.net", "app.nets.LeNet", "--data", "datamodules.MNISTSample")
CALLBACKS = "lightning.pytorch.callbacks"


@pytest.fixture(scope="module")
def parser() -> LightningArgumentParser:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["app"])
        return capture_parser(lambda: CLI([]))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model.foo", "3"], "model: app.modules.Classifier has no option foo; its options are net, optimizer, .*"),
        (["--model.num_class", "3"], r"model: .*Classifier has no option num_class; did you mean num_classes\?"),
        (
            ["--model.optimizer", "torch.optim.Adam", "--model.optimizer.lrr", "3"],
            r"model.optimizer: torch.optim.Adam has no option lrr; did you mean lr\?",
        ),
        (["--model.num_classes", "ten"], "model.num_classes is ten; expected a whole number"),
        (["--model.net", "app.nets.LeNot"], r"model.net: app.nets.LeNot: module .*; did you mean LeNet\?"),
        (["--model", "nowhere.Net"], "model: nowhere.Net: No module named 'nowhere'"),
        (["--model", "torch.nn.Linear"], "model is torch.nn.Linear; expected the class path of a LightningModule"),
        (["--model", "mine"], "model is mine; expected a class path or null"),
        (["--model", "app.modules.LanguageModel"], "model: app.modules.LanguageModel needs .*"),
        (["--data.bs", "3"], "data: datamodules.MNISTSample has no option bs; its options are .*batch_size.*"),
        (["--trainer.max_epochs", "1.5"], "trainer.max_epochs is 1.5; expected a whole number or null"),
        (["--trainer.precision", "17"], "trainer.precision is 17; expected 64, 32, 16, .* or null"),
        (["--trainer.callbacks", f"{CALLBACKS}.EarlyStopping"], "trainer.callbacks: .*EarlyStopping needs monitor"),
        (["--trainer.callbacks", f"{CALLBACKS}.Timr"], r"trainer.callbacks: .*Timr: .*; did you mean Timer\?"),
        (["--trainer.callbacks", "[1]"], r"trainer.callbacks is \[1\]; expected the class path of a Callback"),
        (["--trainer.max_step", "17"], r"there is no option --trainer.max_step; did you mean --trainer.max_steps\?"),
        (["--nope=3"], "there is no option --nope"),
        (["extra"], r"what is extra\? options begin with --"),
        (["--threads", "0"], "threads is 0; expected a whole number above 0"),
        (["--best.mode", "up"], "best.mode is up; expected min or max"),
        (["--checkpoint_seconds", "-1"], "checkpoint_seconds is -1; expected a number above 0"),
        (["--trainer.max_epochs"], "--trainer.max_epochs needs a value"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_one_line(arguments: list[str], says: str, parser: LightningArgumentParser) -> None:
    with pytest.raises(ArgumentError) as error:
        parser.parse_args(["fit", *LENET, *arguments])
    line = in_one_line(str(error.value))
    assert re.fullmatch(says, line), f"{line}\n{error.value}"


def test_other_messages_stay_as_they_are() -> None:
    assert in_one_line("Something\n  else") == "Something else"


def test_options_of_a_class_and_of_what_it_passes_on() -> None:
    assert options_of("helpers.user_modules.Images") == ["workers"]
    passed_on = options_of("helpers.tiny_lottery.Blobs")
    assert "batch_size" in passed_on
    assert options_of("nothing") == []


class Unfinished(Callback):
    """A user's class that cannot be made."""

    def __init__(self, length: int = 3) -> None:
        raise ValueError("length must be even")


FIT = ("fit", *LENET, "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", "--trainer.logger", "false")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--trainer.callbacks", "cli.test_parser_messages.Unfinished"], "Unfinished: length must be even"),
        (["--trainer.num_nodes", "0"], "trainer: `num_nodes` must be a positive integer, but got 0"),
        (["--trainer.strategy", "fsdp"], "trainer: The strategy `fsdp` requires a GPU"),
        (["--trainer.strategy", "dpp"], "trainer.strategy is dpp; did you mean ddp?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_constructors_and_the_trainer(arguments: list[str], says: str, tmp_path: Path) -> None:
    done = in_process(*FIT, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert says in done.stderr
    assert not list(tmp_path.iterdir()), "something was begun"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x89PNG\r\n\x1a\n\x00", "bad.yaml, line 1: not UTF-8"),
        ("a: \xe9".encode("latin1"), "bad.yaml, line 1: not UTF-8"),
        (b"- 1\n- 2\n", "--config: a file of options"),
        (b"", "found an empty file"),
        (b"modell: 3\n", "fit has no option modell"),
    ],
    ids=["PNG", "Latin-1", "list", "empty", "unknown"],
)
def test_a_file_that_is_no_configuration(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_bytes(content)
    done = in_process(*FIT, "--config", "bad.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert says in done.stderr


def test_a_part_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_bytes(b"\x89PNG\r\n")
    (tmp_path / "mine.yaml").write_text("data: data.yaml\n")
    done = in_process(*FIT, "--config", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "data.yaml, line 1: not UTF-8" in done.stderr


def test_a_command_has_its_own_options_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the others would take longer than everything else on a command line."""

    found: set[str] = set()

    class Parsers(CLI):
        def parse_arguments(self, *_: object) -> None:
            found.update(name for name, options in self.option_names().items() if "--trainer.max_epochs" in options)
            raise StopIteration

    for words, expected in ((["fit", "-h"], {"fit"}), (["--config", "mine.yaml", "fit"], {*SUBCOMMANDS})):
        found.clear()
        monkeypatch.setattr("sys.argv", ["app", *words])
        with pytest.raises(StopIteration):
            Parsers()
        assert found == expected
