"""Commands that measure a trained network take its run directory or its checkpoint, and nothing else."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import yaml
from helpers.tiny_text import write_tiny_text

from app import __main__
from app.cli.trained_model import check_model, trained_model
from app.common.errors import UserError
from app.modules import LanguageModel
from app.nets import ONLSTM
from app.runs.checksums import CHECKSUMS
from app.runs.layout import FitLayout, NetworkKey, RunLayout
from app.runs.tensors import load_tensors

NET = {"input_size": 4, "layer_sizes": [8, 4], "chunk_size": 2, "dropout": 0.1, "weight_dropout": 0.3}
CONFIG: dict[str, Any] = {
    "experiment": "text",
    "seed_everything": 3,
    "model": {
        "class_path": "app.modules.LanguageModel",
        "init_args": {
            "vocabulary_size": 12,
            "net": {"class_path": "app.nets.ONLSTM", "init_args": NET},
            "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 20.0}},
        },
    },
    "data": {
        "class_path": "datamodules.PTB",
        "init_args": {"train": "train.txt", "valid": "valid.txt", "test": "test.txt"}
        | {"batch_size": 4, "val_batch_size": 2, "bptt": 10},
    },
    "trainer": {"accelerator": "cpu", "logger": False, "max_steps": 4, "val_check_interval": 2}
    | {"check_val_every_n_epoch": None},
}


def main(arguments: Sequence[object], cwd: Path, patch: pytest.MonkeyPatch) -> int:
    """`python -m app` in this process."""
    words = [str(argument) for argument in arguments]
    patch.chdir(cwd)
    patch.setattr("sys.argv", ["app", *words])
    patch.setattr("warnings.showwarning", None)
    patch.setenv("COLUMNS", "200")
    return __main__.main(words)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with texts, a training by `fit` of two seeds, another of one, and a lottery."""
    directory = tmp_path_factory.mktemp("made")
    write_tiny_text(directory)
    (directory / "text.yaml").write_text(yaml.safe_dump(CONFIG))
    with pytest.MonkeyPatch.context() as patch:
        for command in (
            ["fit", "--config", "text.yaml"],
            ["fit", "--config", "text.yaml", "--seed_everything", 4],
            ["fit", "--config", "text.yaml", "--experiment", "alone"],
            ["lottery", "--config", "text.yaml", "--experiment", "final", "--pruning.rounds", 1],
            [
                "lottery",
                "--config",
                "text.yaml",
                "--experiment",
                "best",
                "--pruning.rounds",
                1,
                "--pruning.keep",
                "[best]",
            ],
        ):
            assert main(command, directory, patch) == 0, command
    return directory


TICKET = NetworkKey(0, "iterative", 1).path
PATHS = {
    "runs/text/seed_3": "runs/text/seed_3/best.ckpt",
    "runs/alone": "runs/alone/seed_3/best.ckpt",
    "runs/alone/": "runs/alone/seed_3/best.ckpt",
    "runs/alone/seed_3/last.ckpt": "runs/alone/seed_3/last.ckpt",
    f"runs/final/{TICKET}": f"runs/final/{TICKET}/final.safetensors",
    "runs/final/replicate_0/round_00": "runs/final/replicate_0/round_00/final.safetensors",
    f"runs/best/{TICKET}": f"runs/best/{TICKET}/best.ckpt",
}


@pytest.mark.parametrize(("path", "weights"), PATHS.items())
def test_the_network_of_a_path(made: Path, path: str, weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    found = trained_model(Path(path))
    assert found.weights == Path(weights)
    assert found.weights.exists()
    model, data = found.options["model"], found.options["data"]
    assert model["class_path"] == "app.modules.LanguageModel"
    assert model["init_args"]["net"]["init_args"].items() >= NET.items()
    assert data["init_args"]["bptt"] == 10
    if path.endswith(".ckpt"):
        assert set(found.options) == {"model", "data"}
    else:
        assert found.options["trainer"]["accelerator"] == "cpu"
        assert found.options["seed_everything"] == 3
        assert "max_steps" not in found.options["trainer"]


def loss_by_hand(weights: Path, directory: Path) -> float:
    """The mean loss per word of test.txt, read in one piece without Trainer or data module."""
    checkpoint = torch.load(directory / "runs/text/seed_3/best.ckpt", weights_only=True)
    vocabulary = checkpoint["vocabulary"]["words"]
    state = load_tensors(weights) if weights.suffix == ".safetensors" else torch.load(weights, weights_only=True)
    model = LanguageModel(ONLSTM(**NET), len(vocabulary))
    model.load_state_dict(state.get("state_dict", state))
    lines = (directory / "test.txt").read_text().splitlines()
    words = [vocabulary.index(word) for line in lines for word in [*line.split(), "<eos>"]]
    tokens = torch.tensor(words).unsqueeze(1)
    with torch.no_grad():
        logits, _ = model.eval()(tokens[:-1])
    return F.cross_entropy(logits[:, 0], tokens[1:, 0]).item()


def shown(output: str, name: str) -> float:
    """A number of the table that a command prints."""
    (number,) = re.findall(rf"\b{name}\W+([\d.]+)", output)
    return float(number)


@pytest.mark.parametrize(("path", "weights"), PATHS.items())
def test_test_measures_that_network_and_writes_nothing(
    made: Path, path: str, weights: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {each: each.stat().st_mtime_ns for each in made.rglob("*") if each.is_file()}
    assert main(["test", path, "--data.init_args.val_batch_size", 1], made, monkeypatch) == 0
    loss = shown(capsys.readouterr().out, "test_loss_exact")
    assert loss == pytest.approx(loss_by_hand(made / weights, made), abs=1e-5)
    assert {each: each.stat().st_mtime_ns for each in made.rglob("*") if each.is_file()} == before


def test_networks_differ_so_that_one_could_tell(made: Path) -> None:
    losses = {weights: loss_by_hand(made / weights, made) for weights in PATHS.values()}
    distinct = {round(loss, 6) for loss in losses.values()}
    assert len(distinct) >= 4, losses


def test_a_checkpoint_by_its_option_needs_no_configuration_either(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for form in (["--ckpt_path", "runs/alone/seed_3/best.ckpt"], ["--ckpt_path=runs/alone/seed_3/best.ckpt"]):
        assert main(["test", *form, "--data.init_args.val_batch_size", 1], made, monkeypatch) == 0
        loss = shown(capsys.readouterr().out, "test_loss_exact")
        assert loss == pytest.approx(loss_by_hand(made / "runs/alone/seed_3/best.ckpt", made), abs=1e-5)


def test_a_checkpoint_of_another_moment_may_be_named_beside_the_directory(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    last = "runs/alone/seed_3/last.ckpt"
    command = ["test", "runs/alone", "--ckpt_path", last, "--data.init_args.val_batch_size", 1]
    assert main(command, made, monkeypatch) == 0
    assert shown(capsys.readouterr().out, "test_loss_exact") == pytest.approx(loss_by_hand(made / last, made), abs=1e-5)


# Mistakes


def refused(arguments: Sequence[object], made: Path, patch: pytest.MonkeyPatch, capsys: Any) -> str:
    capsys.readouterr()
    code = main(arguments, made, patch)
    stderr: str = capsys.readouterr().err
    assert code == 2, stderr
    assert len(stderr.splitlines()) == 1, stderr
    assert stderr.startswith("error: ")
    return stderr


@pytest.mark.parametrize("command", ["validate", "test", "predict", "parse", "syntax"])
@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("runs/text", r"runs/text holds 2 networks; name one of them, such as runs/text/seed_3"),
        ("runs/nowhere", r"runs/nowhere: no such run directory or checkpoint"),
        ("runs", r"runs: no run directory there \(no config\.yaml\)"),
        ("runs/final/replicate_0", r"no run directory there"),
        ("train.txt", r"train\.txt: not a checkpoint"),
    ],
)
def test_what_is_no_one_network(
    made: Path, command: str, path: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    stderr = refused([command, path], made, monkeypatch, capsys)
    assert re.search(says, stderr), stderr
    if example := re.search(r"such as (\S+)", stderr):
        assert trained_model(made / example[1]).weights.exists(), "the example is one"


@pytest.mark.parametrize("command", ["validate", "predict"])
def test_a_lottery_for_a_command_that_measures_one_network(
    made: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    stderr = refused([command, "runs/final"], made, monkeypatch, capsys)
    says = r"runs/final is a lottery; name one of its networks, such as (runs/final/replicate_0/\S+)"
    example = re.search(says, stderr)
    assert example, stderr
    weights = trained_model(made / example[1]).weights
    assert weights is not None
    assert weights.exists(), "the example is one"


@pytest.mark.parametrize(("part", "name"), [("model", "app.modules.LanguageModel"), ("data", "datamodules.PTB")])
def test_a_class_that_is_not_here(made: Path, tmp_path: Path, part: str, name: str) -> None:
    shutil.copytree(made / "runs", tmp_path / "runs")
    fit = FitLayout(tmp_path / "runs/alone/seed_3")
    fit.config.write_text(fit.config.read_text().replace(f"class_path: {name}\n", "class_path: nowhere.Mine\n"))
    with pytest.raises(UserError, match=rf"config\.yaml: its {part}: nowhere\.Mine cannot be imported \(ModuleNot"):
        trained_model(fit.root)


def test_networks_without_weights(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "runs", tmp_path / "runs")
    run = RunLayout(tmp_path / "runs/best")
    ticket = run.network(NetworkKey(0, "iterative", 1))
    ticket.best.unlink()
    with pytest.raises(UserError, match=r"best\.ckpt: no such file; the lottery's command trains this network again$"):
        trained_model(ticket.root)
    (ticket.root / CHECKSUMS).unlink()
    with pytest.raises(UserError, match=r"no trained weights there \(no best\.ckpt or final\..*keep \[final\]"):
        trained_model(ticket.root)
    fit = FitLayout(tmp_path / "runs/alone/seed_3")
    fit.best.unlink()
    with pytest.raises(UserError, match=r"best\.ckpt: no such file; delete .*last\.ckpt, and the same fit command"):
        trained_model(fit.root)
    (fit.root / CHECKSUMS).unlink()  # of a training in progress
    with pytest.warns(UserWarning, match=r"last\.ckpt is taken, where the training stands: best\.ckpt is not there"):
        assert trained_model(fit.root).weights == fit.last
    fit.last.unlink()
    with pytest.raises(UserError, match=r"no trained weights there \(no best\.ckpt or last\.ckpt\)$"):
        trained_model(fit.root)
    shutil.rmtree(run.root / "replicate_0")
    with pytest.raises(UserError, match=r"is a lottery; name one .*best/replicate_0/iterative/round_01$"):
        trained_model(run.root)


CHUNK = "model.init_args.net.init_args.chunk_size"


@pytest.mark.parametrize(
    "path",
    ["runs/alone", "runs/alone/seed_3/best.ckpt", f"runs/best/{TICKET}", f"runs/final/{TICKET}"],
)
@pytest.mark.parametrize(
    ("key", "value", "stored"),
    [
        (CHUNK, 4, 2),
        ("model.init_args.net.init_args.weight_dropout", 0.0, 0.3),
        ("model.init_args.tied", "false", True),
    ],
)
def test_a_command_line_that_contradicts_the_network(
    made: Path, path: str, key: str, value: object, stored: object, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Most of them would load without an error, and measure something else."""
    stderr = refused(["test", path, f"--{key}", value], made, monkeypatch, capsys)
    told = {"false": "False"}.get(str(value), value)
    weights = PATHS.get(path, path)
    assert stderr == (
        f"error: {key} is {told} on the command line and {stored} in {weights}; "
        "leave it out, or name another checkpoint\n"
    )


def test_saying_the_same_again_is_no_contradiction(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in ("runs/alone", f"runs/final/{TICKET}"):
        assert main(["test", path, f"--{CHUNK}", 2, "--config", "text.yaml"], made, monkeypatch) == 0
    assert "test_loss" in capsys.readouterr().out


def test_the_first_difference_is_named() -> None:
    stored = {"class_path": "a.B", "init_args": {"x": 1, "net": {"y": 2}}}
    check_model(stored, Path("w"), stored)
    check_model({"class_path": "a.B", "init_args": {"x": 1, "new": 3, "net": {"y": 2}}}, Path("w"), stored)
    check_model({"class_path": "c.D"}, Path("w"), {})
    with pytest.raises(UserError, match=r"^model\.init_args\.net\.y is 3 on the command line and 2 in w; leave it out"):
        check_model({"class_path": "a.B", "init_args": {"x": 1, "net": {"y": 3}}}, Path("w"), stored)
    with pytest.raises(UserError, match=r"^model\.class_path is c\.D on the command line and a\.B in w"):
        check_model({"class_path": "c.D", "init_args": {"x": 1}}, Path("w"), stored)
