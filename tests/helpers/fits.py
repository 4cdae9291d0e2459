"""Run directories of `fit` with made-up numbers that look like a language model's, written through app.runs.table."""

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.report.fit_run import FitRun, TrainedNetwork
from app.report.provenance import Provenance
from app.runs.layout import FitLayout, TrainingLayout
from app.runs.table import MetricsFile

DATA = {"train.txt": "ab" * 32, "valid.txt": "cd" * 32}
SCORES = """\
name,max_words,sentences,sentence_f1,sentence_f1_kim,corpus_f1,corpus_f1_root,depth,recall_NP
right-branching,,1000,0.36041,0.36,0.3242,0.4016,5.8037,0.17
right-branching,10,558,0.40404,0.4,0.38,0.49,3.85,0.21
"layer 1, shen2018",,1000,0.5447,,0.4786,0.5384,3.8738,0.6
"layer 1, shen2018",10,558,1.0,0.6,0.56,0.64,3.07,0.7
"""


def write_rows(root: Path, rows: Sequence[dict[str, float]]) -> None:
    """metrics.csv with the columns of the first row."""
    root.mkdir(parents=True, exist_ok=True)
    table = MetricsFile(FitLayout(root).metrics, [name for name in rows[0] if name != "iteration"])
    table.cut(0)
    for row in rows:
        table.append(row)


def write_notes(root: Path, *, seed: int = 0, **changes: Any) -> None:
    """report.json and config.yaml."""
    notes = {
        "seed": seed,
        "versions": {"trees-and-tickets": "0.1.0", "torch": "2.13.0", "python": "3.11.7"},
        "threads": 1,
        "parameters": 3_527_040,
        "checksums": {"data": DATA},
        "best": None,
        "last": None,
    }
    root.mkdir(parents=True, exist_ok=True)
    FitLayout(root).report.write_text(json.dumps(notes | changes))
    FitLayout(root).config.write_text(f"seed_everything: {seed}\n")


def language_rows(
    name: str, validations: int, *, layers: int = 2, every: int = 693, floor: float = 80.0, parsed: int = 1
) -> list[dict[str, float]]:
    """A perplexity that falls to about `floor`; trees that get better, measured at every `parsed`-th validation."""
    draw, iteration, rows = random.Random(name), 0, []
    for epoch in range(1, validations + 1):
        iteration += every + draw.randrange(-6, 7)
        loss = math.log(floor * draw.uniform(0.99, 1.01) + 190 / epoch**0.9)
        row = {"iteration": iteration, "train_loss": loss + 0.3 - 0.02 * epoch**0.5, "val_loss": loss}
        row |= {"val_perplexity": math.exp(loss), "val_loss_exact": loss + 1e-3}
        row |= {"val_perplexity_exact": math.exp(loss + 1e-3)}
        for layer in range(1, layers + 1):
            risen = 33 + 6 * layer + 5 * layer * (1 - math.exp(-epoch / 8)) + draw.gauss(0, 1)
            row[f"uf1_layer_{layer}"] = risen if (epoch - 1) % parsed == 0 else math.nan
        rows.append(row)
    return rows


def classifier_rows(name: str, validations: int, *, every: int = 100) -> list[dict[str, float]]:
    """A validation before any training, and a loss that rises again in the end."""
    draw, rows = random.Random(name), []
    for index in range(validations):
        wrong = 0.02 + 0.88 / (1 + 4 * index) * draw.uniform(0.95, 1.05)
        loss = 0.08 + 2.2 / (1 + 6 * index) + 0.002 * index
        rows.append(
            {"iteration": index * every, "train_loss": loss if index else math.nan}
            | {"train_accuracy": 1 - 0.8 * wrong if index else math.nan, "val_loss": loss, "val_accuracy": 1 - wrong}
            | {"test_loss": loss, "test_accuracy": 1 - wrong}
        )
    return rows


def write_fit(runs: Path, experiment: str, seed: int = 0, validations: int = 6, **options: Any) -> Path:
    """A language model's run directory; returns it."""
    root = runs / experiment / f"seed_{seed}"
    write_rows(root, language_rows(f"{experiment} {seed}", validations, **options))
    write_notes(root, seed=seed)
    return root


def write_parse(run: Path, sentences: tuple[int, ...] = (2, 10, 348, 662)) -> None:
    """What `parse` leaves; the pictures are none."""
    (run / "parse").mkdir()
    (run / "parse/scores.csv").write_text(SCORES)
    (run / "parse/gold.txt").write_text("(a b)\n(the (old cat))\n")
    for number in sentences:
        for kind in ("svg", "png"):
            (run / f"parse/sentence_{number}.{kind}").write_text(f"<svg>{kind} {number}</svg>")


def made_up(*rows: list[dict[str, float]], name: str = "e") -> FitRun:
    """An experiment that is in no file."""
    return FitRun(
        name=name,
        trainings=[
            TrainedNetwork(
                layout=TrainingLayout(Path("nowhere")),
                provenance=Provenance(
                    seeds={"seed": seed}, parameters=1, density=None, threads=1, versions={}, data={}
                ),
                config={},
                rows=each,
            )
            for seed, each in enumerate(rows)
        ],
    )


def inference_rows(
    name: str, validations: int, *, falls: float = 0.02, missing: tuple[int, ...] = ()
) -> list[dict[str, float]]:
    """Accuracy by number of operators, falling with it; the validation loss is least before the accuracy is highest."""
    draw, rows = random.Random(name), []
    for epoch in range(1, validations + 1):
        grown = 1 - 0.6**epoch
        row = {"iteration": 100.0 * epoch, "train_loss": 1.3 - grown, "train_accuracy": 0.5 + 0.4 * grown}
        row |= {"val_loss": 1.3 - grown + 0.05 * epoch, "val_accuracy": 0.5 + 0.4 * grown}
        row |= {"test_loss": 1.5 - grown, "test_accuracy": 0.5 + 0.3 * grown}
        for operators in range(13):
            found = min(1.0, 0.5 + grown * (0.5 - falls * operators) + draw.uniform(0, 0.01))
            row[f"accuracy_{operators:02d}"] = math.nan if operators in missing else found
        row |= {f"majority_{n:02d}": math.nan if n in missing else 0.8 - 0.025 * n for n in range(13)}
        rows.append(row)
    return rows


def write_inference(runs: Path, experiment: str, seed: int = 0, *, trained: int = 6, **options: Any) -> Path:
    """The run directory of an inference classifier; returns it."""
    root = runs / experiment / f"seed_{seed}"
    write_rows(root, inference_rows(f"{experiment} {seed}", 6, **options))
    write_notes(root, seed=seed)
    FitLayout(root).config.write_text(
        f"best: {{monitor: val_accuracy, mode: max}}\ndata: {{init_args: {{train_operators: {trained}}}}}\n"
    )
    return root
