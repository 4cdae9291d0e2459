"""A lottery small enough for a second: a tiny network on made-up images."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from app.lottery.lottery_loggers import LotteryLoggers
from app.lottery.network import NetworkTraining
from app.lottery.rounds import Lottery
from app.lottery.settings import Pruning
from app.modules import Classifier
from app.pruning import When
from app.runs.best_validation import BestValidation
from app.runs.layout import RunLayout
from callbacks import ExperimentProgress
from datamodules import InMemoryDataModule
from datamodules.in_memory_data_module import Source, Split, SplitSizes, rows_except


class Blobs(InMemoryDataModule):
    """120 noisy images of 2 x 2 pixels in three classes; 90 to train on."""

    sizes = SplitSizes(90, 15, 15)

    def read(self) -> Source:
        generator = torch.Generator().manual_seed(5)
        labels = torch.arange(120) % 3
        pixels = (labels.view(-1, 1, 1, 1) * 60 + torch.randint(0, 90, (120, 1, 2, 2), generator=generator)).byte()
        return Source(pixels, labels, {"blobs": "made up"})

    def split_rows(self, labels: Tensor, *, seed: int) -> Split:
        test = torch.arange(105, 120)
        val = torch.randperm(105, generator=torch.Generator().manual_seed(seed))[:15].sort().values
        return Split(rows_except(120, test, val), val, test)


class TinyNet(nn.Module):
    """4-12-3 with a norm between, whose running statistics must be rewound too."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 12)
        self.norm = nn.BatchNorm1d(12)
        self.output = nn.Linear(12, 3)

    def reset_parameters(self) -> None:
        for layer in (self.fc, self.norm, self.output):
            layer.reset_parameters()

    def prunable_parameters(self) -> dict[str, str]:
        return {"fc.weight": "fc", "output.weight": "output"}

    def forward(self, images: Tensor) -> Tensor:
        return self.output(torch.relu(self.norm(self.fc(images.flatten(1)))))


ITERATIONS = 12


def make_trainer(root: Path, callbacks: list[Callback], logger: list[Logger], **arguments: Any) -> Trainer:
    options: dict[str, Any] = {
        "default_root_dir": root,
        "callbacks": callbacks,
        "logger": logger,
        "max_steps": ITERATIONS,
        "max_epochs": -1,
        "val_check_interval": 4,
        "check_val_every_n_epoch": None,
        "num_sanity_val_steps": -1,
        "enable_progress_bar": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "accelerator": "cpu",
        "log_every_n_steps": 1,
    }
    return Trainer(**options | arguments)


def lottery(
    root: Path, seed: int = 0, make_loggers: Any = list, net: Callable[[], nn.Module] = TinyNet, **settings: Any
) -> Lottery:
    """A lottery in `root`, with fresh objects as a fresh process would have them."""
    options = Pruning(**{"rounds": 2, "rates": {"fc": 0.25, "output": 0.1}} | settings)
    model, data, layout = Classifier(net(), num_classes=3), Blobs(batch_size=30), RunLayout(root)
    training = NetworkTraining(
        model=model,
        data=data,
        settings=options,
        layout=layout,
        iterations=ITERATIONS,
        rewind_iteration=When.parse(options.rewind_to).iteration(3),
        best=BestValidation(),
        config={},
        threads=torch.get_num_threads(),
        make_trainer=make_trainer,
        loggers=LotteryLoggers(
            make=make_loggers,
            layout=layout,
            config={"pruning": settings},
            model=model,
            data=data,
            settings=options,
            seed=seed,
            iterations=ITERATIONS,
        ),
        progress=ExperimentProgress(1),
    )
    data.prepare()
    return Lottery(model=model, data=data, settings=options, layout=layout, seed=seed, train=training)


def everything(root: Path) -> dict[str, object]:
    """All that must be the same of two runs: weights, masks, metrics.csv, and results.csv without seconds and name."""
    files: dict[str, object] = {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.suffix == ".safetensors" or path.name == "metrics.csv"
    }
    with open(root / "results.csv") as file:
        files["rows"] = [
            {k: v for k, v in row.items() if k not in ("seconds", "experiment")} for row in csv.DictReader(file)
        ]
    return files
