"""Every file in configs/ is a whole experiment: its first line is the command that runs it, and it parses."""

import shlex
from pathlib import Path

import pytest
import yaml
from jsonargparse import Namespace

from app.cli import parser

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIGS = sorted((REPOSITORY / "configs").rglob("*.yaml"))


class Parser(parser.CLI):
    """Parses and goes no further."""

    def instantiate_classes(self) -> None:
        self.parsed = self.config

    def _run_subcommand(self, subcommand: str) -> None:
        self.parsed = self.config[subcommand]


def parse(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> Namespace:
    monkeypatch.setattr("sys.argv", ["app", *arguments])
    monkeypatch.chdir(REPOSITORY)
    return Parser().parsed


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_first_line_is_the_command_and_it_parses(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = path.read_text().splitlines()[0]
    program = "# python -m app "
    assert first.startswith(program)
    arguments = shlex.split(first.removeprefix(program))
    assert str(path.relative_to(REPOSITORY)) in arguments
    parsed = parse(*arguments, monkeypatch=monkeypatch)
    if arguments[0] == "lottery":
        assert parsed.experiment == path.stem


def test_the_papers_configuration_is_the_papers() -> None:
    config = yaml.safe_load((REPOSITORY / "configs/lottery/lenet_mnist.yaml").read_text())
    optimizer = config["model"]["init_args"]["optimizer"]
    assert optimizer["class_path"] == "torch.optim.Adam"
    assert float(optimizer["init_args"]["lr"]) == 1.2e-3
    assert config["data"]["init_args"]["batch_size"] == 60
    assert config["trainer"]["max_steps"] == 50_000
    assert config["trainer"]["val_check_interval"] == 100
    assert config["pruning"] == {
        "rounds": 20,
        "rates": {"fc": 0.2, "output": 0.1},
        "scope": "layerwise",
        "rewind_to": "0it",
        "methods": ["iterative", "one_shot"],
        "random_reinit": 3,
        "replicates": 5,
    }


def test_the_options_of_the_lottery_are_these(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen list: a new option is a visible change."""
    parsed = parse("lottery", "--config", "configs/quickstart.yaml", monkeypatch=monkeypatch)
    assert sorted(vars(parsed.pruning)) == [
        *("keep", "methods", "oversubscribe", "plan"),
        *("random_mask", "random_reinit", "rates", "replicates", "rewind_to", "rounds"),
        *("scope", "workers"),
    ]
    others = {
        "best",
        "checkpoint_seconds",
        "config",
        "data",
        "experiment",
        "model",
        "pruning",
        "runs",
        "seed_everything",
    }
    assert set(vars(parsed)) == others | {"seed_everything", "threads", "trainer"}


def test_dotted_names_reach_their_options(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [
        *("--pruning.rounds", "3", "--pruning.rates.fc", "0.5", "--pruning.scope", "global"),
        *("--pruning.rewind_to", "2ep", "--pruning.methods", "[iterative, one_shot]", "--pruning.random_reinit", "2"),
        *("--pruning.random_mask", "1", "--pruning.replicates", "4", "--pruning.plan", "true"),
    ]
    parsed = parse("lottery", "--config", "configs/quickstart.yaml", *arguments, monkeypatch=monkeypatch).pruning
    assert (parsed.rounds, parsed.rates, parsed.scope, parsed.rewind_to) == (
        3,
        {"fc": 0.5, "output": 0.1},
        "global",
        "2ep",
    )
    assert (parsed.methods, parsed.random_reinit, parsed.random_mask) == (["iterative", "one_shot"], 2, 1)
    assert (parsed.replicates, parsed.plan) == (4, True)


@pytest.mark.parametrize("name", ["on_lstm", "lstm"])
def test_logic_is_trained_as_the_paper_trains_it(name: str) -> None:
    config = yaml.safe_load((REPOSITORY / f"configs/logic/{name}.yaml").read_text())
    model, data, trainer = config["model"]["init_args"], config["data"], config["trainer"]
    net = model["net"]["init_args"]
    assert (net["input_size"], net["layer_sizes"], net.get("chunk_size", 10)) == (128, [400], 10)
    assert model["dropout"] == 0.2
    assert model["optimizer"]["class_path"] == "torch.optim.Adam"
    assert model["optimizer"]["init_args"] == {"lr": 1e-3, "eps": 1e-9, "weight_decay": 1.2e-6}
    plateau = {"monitor": "val_accuracy", "mode": "max", "factor": 0.5, "patience": 2, "threshold": 0.0}
    assert model["lr_scheduler"]["init_args"] == plateau
    assert data == {"class_path": "datamodules.Logic", "init_args": {"batch_size": 128}}
    assert (trainer["max_epochs"], trainer["gradient_clip_val"], trainer["val_check_interval"]) == (50, 1.0, 1.0)
    assert config["best"] == {"monitor": "val_accuracy", "mode": "max"}
