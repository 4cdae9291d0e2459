"""What is in configs/: the first line of every file is a command that uses it, and experiments are the papers'."""

import shlex
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from helpers.command import REPOSITORY
from helpers.configs import composed, parse, spec

from app.lottery.launch_options import LaunchOptions
from app.runs.config import flatten

CONFIGS = REPOSITORY / "configs"
FILES = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("*.yaml") if path.parent.name != "sweeps")
PARTS = ("trainer", "data", "model", "logger")
PAIRS = [
    *(("grammar/on_lstm.yaml", "grammar/lstm.yaml"), ("logic/on_lstm.yaml", "logic/lstm.yaml")),
    *(("ptb/on_lstm_small.yaml", "ptb/lstm_small.yaml"), ("syntax/on_lstm.yaml", "syntax/lstm.yaml")),
]


def first_line(name: str) -> list[str]:
    """Arguments of the command in the first line of a file."""
    first = (CONFIGS / name).read_text().splitlines()[0]
    launcher, program, arguments = first.partition("-m app ")
    assert program
    assert launcher in ("# python ", "# srun --ntasks-per-node 2 python ", "# torchrun --nproc-per-node 2 ")
    return shlex.split(arguments)


@pytest.mark.parametrize("name", FILES)
def test_the_first_line_is_a_command_that_uses_the_file(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = first_line(name)
    assert f"configs/{name}" in arguments
    with pytest.raises(SystemExit) as ended:
        parse(*arguments, "--print_config", monkeypatch=monkeypatch)
    assert not ended.value.code
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["model"]["class_path"]
    assert printed["data"]["class_path"]
    if arguments[0] == "lottery" and Path(name).parts[0] not in PARTS:
        assert printed["experiment"] == Path(name).stem


@pytest.mark.parametrize("name", FILES)
def test_a_file_over_another_names_single_values(name: str) -> None:
    """Whatever stands before `config` is overridden by it, and a mapping would replace a whole part without a word."""
    own = yaml.safe_load((CONFIGS / name).read_text())
    if isinstance(own, dict) and "config" in own:
        assert next(iter(own)) == "config"
        assert not [key for key, value in own.items() if isinstance(value, dict) and "." not in key]


@pytest.mark.parametrize(("on_lstm", "lstm"), PAIRS)
def test_a_pair_differs_in_the_net_alone(on_lstm: str, lstm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, its = (flatten(composed(name, monkeypatch=monkeypatch)) for name in (on_lstm, lstm))
    net = "model.init_args.net"
    different = {key for key in ours.keys() | its.keys() if ours.get(key) != its.get(key)}
    assert different == {"experiment", f"{net}.class_path", f"{net}.init_args.chunk_size"}
    assert (ours[f"{net}.class_path"], its[f"{net}.class_path"]) == ("app.nets.ONLSTM", "app.nets.LSTM")
    assert ours[f"{net}.init_args.chunk_size"] == 10


@pytest.mark.parametrize("name", ["quickstart.yaml", "lottery/lenet_mnist.yaml", "lottery/lenet_mnist_short.yaml"])
def test_a_lottery_validates_every_so_many_iterations(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = composed(name, command="lottery", monkeypatch=monkeypatch)["trainer"]
    assert isinstance(trainer["val_check_interval"], int)
    assert trainer["check_val_every_n_epoch"] is None


def test_one_lenet_is_measured_as_those_of_a_lottery(monkeypatch: pytest.MonkeyPatch) -> None:
    """At iteration 0 as well."""
    trainer = composed("lenet.yaml", monkeypatch=monkeypatch)["trainer"]
    keys = ("val_check_interval", "check_val_every_n_epoch", "num_sanity_val_steps")
    assert [trainer[key] for key in keys] == [20, None, -1]


@pytest.mark.parametrize("name", sorted(name for pair in PAIRS for name in pair))
def test_other_trainings_are_validated_after_every_epoch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = composed(name, monkeypatch=monkeypatch)["trainer"]
    assert trainer["val_check_interval"] in (None, 1.0)
    assert (trainer["check_val_every_n_epoch"], trainer["num_sanity_val_steps"]) == (1, 0)


def test_the_papers_configuration_is_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    config = composed("lottery/lenet_mnist.yaml", command="lottery", monkeypatch=monkeypatch)
    assert config["model"]["init_args"]["optimizer"] == spec("torch.optim.Adam", lr=1.2e-3, fused=True)
    assert config["data"]["init_args"]["batch_size"] == 60
    assert config["trainer"]["max_steps"] == 50_000
    assert config["trainer"]["val_check_interval"] == 100
    assert config["pruning"] == {
        "rounds": 20,
        "rates": {"fc": 0.2, "output": 0.1},
        "scope": "layerwise",
        "least_per_layer": 0,
        "rewind_to": "0it",
        "resume_schedule": True,
        "score": "magnitude",
        "methods": ["iterative", "one_shot"],
        "random_reinit": 3,
        "random_mask": 0,
        "from_ticket": None,
        "random_ticket": 1,
        "replicates": 5,
        "keep": ["final"],
        "plan": False,
        "workers": 1,
        "stack": 1,
        "only": dict.fromkeys(("replicates", "methods", "rounds", "branches")),
        "launch": None,
        "launch_options": asdict(LaunchOptions()),
        "oversubscribe": False,
        "sparse": None,
    }


ADAM, SGD = "torch.optim.Adam", "torch.optim.SGD"
DECAYED = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
# Frankle & Carbin (2019), Figure 2: network, optimiser, batch, iterations, rates, scope.
FIGURE_2: dict[str, tuple[str, str, dict[str, float], int, int, dict[str, float], str]] = {
    "conv2": ("Conv2", ADAM, {"lr": 2e-4}, 60, 20_000, {"conv": 0.1, "fc": 0.2, "output": 0.1}, "layerwise"),
    "conv4": ("Conv4", ADAM, {"lr": 3e-4}, 60, 25_000, {"conv": 0.1, "fc": 0.2, "output": 0.1}, "layerwise"),
    "conv6": ("Conv6", ADAM, {"lr": 3e-4}, 60, 30_000, {"conv": 0.15, "fc": 0.2, "output": 0.1}, "layerwise"),
    "resnet18": ("ResNet", SGD, DECAYED, 128, 30_000, {"conv": 0.2}, "global"),
    "vgg19": ("VGG", SGD, DECAYED, 64, 112_480, {"conv": 0.2}, "global"),
}


@pytest.mark.parametrize("name", FIGURE_2)
def test_networks_on_cifar10_are_trained_as_the_paper_trains_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, optimizer, options, batch, iterations, rates, scope = FIGURE_2[name]
    config = composed(f"lottery/{name}_cifar10.yaml", command="lottery", monkeypatch=monkeypatch)
    model, data, pruning = config["model"]["init_args"], config["data"]["init_args"], config["pruning"]
    assert model["net"]["class_path"] == f"app.nets.{net}"
    assert model["optimizer"]["class_path"] == optimizer
    assert model["optimizer"]["init_args"].items() >= options.items()
    assert (data["batch_size"], data["augment"]) == (batch, optimizer == SGD)
    assert (data["train_images"], data["val_images"], data["test_images"]) == (None, None, None)
    assert config["trainer"]["max_steps"] == iterations
    assert (pruning["rates"], pruning["scope"], pruning["rewind_to"]) == (rates, scope, "0it")
    assert (pruning["methods"], pruning["random_reinit"], pruning["replicates"]) == (["iterative"], 3, 5)
    milestones = {"resnet18": [20_000, 25_000], "vgg19": ["80ep", "120ep"]}.get(name)
    assert ((model["lr_scheduler"] or {"init_args": {}})["init_args"].get("milestones")) == milestones


def test_the_options_of_the_lottery_are_these(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen list: a new option is a visible change."""
    parsed = parse("lottery", "--config", "configs/quickstart.yaml", monkeypatch=monkeypatch)
    assert sorted(vars(parsed.pruning)) == [
        *(
            "from_ticket",
            "keep",
            "launch",
            "launch_options",
            "least_per_layer",
            "methods",
            "only",
            "oversubscribe",
            "plan",
        ),
        *(
            "random_mask",
            "random_reinit",
            "random_ticket",
            "rates",
            "replicates",
            "resume_schedule",
            "rewind_to",
            "rounds",
        ),
        *("scope", "score", "sparse", "stack", "workers"),
    ]
    others = {
        "best",
        "break_locks",
        "checkpoint_seconds",
        "allow_other_kernels",
        "config",
        "conv_precision",
        "data",
        "experiment",
        "gpu_kernels",
        "matmul_precision",
        "model",
        "pruning",
        "runs",
        "seed_everything",
    }
    assert set(vars(parsed)) == others | {"seed_everything", "threads", "trainer"}


def test_dotted_names_reach_their_options(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [
        *("--pruning.rounds", "3", "--pruning.rates.fc", "0.5", "--pruning.scope", "kind"),
        *("--pruning.rewind_to", "2ep", "--pruning.methods", "[iterative, one_shot]", "--pruning.random_reinit", "2"),
        *("--pruning.random_mask", "1", "--pruning.replicates", "4", "--pruning.plan", "true"),
    ]
    parsed = parse("lottery", "--config", "configs/quickstart.yaml", *arguments, monkeypatch=monkeypatch).pruning
    assert (parsed.rounds, parsed.rates, parsed.scope, parsed.rewind_to) == (
        3,
        {"fc": 0.5, "output": 0.1},
        "kind",
        "2ep",
    )
    assert (parsed.methods, parsed.random_reinit, parsed.random_mask) == (["iterative", "one_shot"], 2, 1)
    assert (parsed.replicates, parsed.plan) == (4, True)


@pytest.mark.parametrize("name", ["on_lstm", "lstm"])
def test_logic_is_trained_as_the_paper_trains_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = composed(f"logic/{name}.yaml", monkeypatch=monkeypatch)
    model, data, trainer = config["model"]["init_args"], config["data"], config["trainer"]
    net = model["net"]["init_args"]
    assert (net["input_size"], net["layer_sizes"], net.get("chunk_size", 10)) == (128, [400], 10)
    assert model["dropout"] == 0.2
    assert model["optimizer"] == spec("torch.optim.Adam", lr=1e-3, eps=1e-9, weight_decay=1.2e-6)
    plateau = {"monitor": "val_accuracy", "mode": "max", "factor": 0.5, "patience": 2, "threshold": 0.0}
    assert model["lr_scheduler"]["class_path"] == "lightning.pytorch.cli.ReduceLROnPlateau"
    assert model["lr_scheduler"]["init_args"].items() >= plateau.items()
    assert data == spec("datamodules.Logic", batch_size=128)
    assert (trainer["max_epochs"], trainer["gradient_clip_val"]) == (50, 1.0)
    assert config["best"] == {"monitor": "val_accuracy", "mode": "max"}
