"""A run directory with made-up numbers that look like LeNet on MNIST, written through app.runs.results."""

import math
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from app.runs.layout import CONTROLS, NetworkKey, RunLayout
from app.runs.results import Metrics, MetricsFile, Result, early_stop, write_results

SIZES = ((235_200 + 30_000, 0.8), (1_000, 0.9))


def density(round_: int) -> float:
    return sum(n * keep**round_ for n, keep in SIZES) / sum(n for n, _ in SIZES)


def keys(rounds: int, replicates: int, methods: tuple[str, ...], reinits: int, masks: int) -> list[NetworkKey]:
    branches = dict(zip(CONTROLS, (reinits, masks), strict=True))
    made = []
    for replicate in range(replicates):
        made.append(NetworkKey(replicate, "dense", 0))
        for round_ in range(1, rounds + 1):
            made += [NetworkKey(replicate, method, round_) for method in methods]
            made += [
                NetworkKey(replicate, name, round_, branch) for name in CONTROLS for branch in range(branches[name])
            ]
    return made


def _character(key: NetworkKey) -> tuple[float, float]:
    """Early stop as a share of the training, and test error in the end, before noise."""
    r = key.round
    bump = math.exp(-(((r - 8) / 5) ** 2)) - math.exp(-((8 / 5) ** 2))
    late = max(0.0, (r - 13) / 7) ** 2
    if key.method == "random_reinit":
        return 0.30 + 0.014 * r + 0.2 * late, 0.022 + 0.0001 * r**1.9
    if key.method == "random_mask":
        return 0.30 + 0.018 * r + 0.25 * late, 0.022 + 0.00035 * r**1.9
    weak = 0.6 if key.method == "one_shot" else 1.0
    worse = 2.0 if key.method == "one_shot" else 1.0
    return 0.30 - 0.12 * weak * bump + 0.2 * late * worse, 0.022 - 0.0037 * weak * bump + 0.006 * late * worse


def learning_curve(key: NetworkKey, *, iterations: int, every: int, draw: random.Random) -> list[Metrics]:
    stop, error = _character(key)
    stop *= iterations * draw.uniform(0.88, 1.12)
    error *= draw.uniform(0.97, 1.03)
    rows = []
    for t in range(0, iterations + 1, every):
        wrong = error + (0.9 - error) / (1 + 30 * t / stop) ** 1.6 * draw.uniform(0.95, 1.05)
        val_loss = 0.07 + 2.2 / (1 + 40 * t / stop) + (1.5 * max(0.0, t - stop) + 0.1 * abs(t - stop)) / iterations
        rows.append(
            Metrics(
                iteration=t,
                train_loss=math.nan if t == 0 else 3.3 * wrong,
                train_accuracy=math.nan if t == 0 else 1 - 0.8 * wrong,
                val_loss=val_loss,
                val_accuracy=1 - wrong,
                test_loss=3.5 * wrong,
                test_accuracy=round(10_000 * (1 - wrong)) / 10_000,
            )
        )
    return rows


def write_run(
    root: Path,
    *,
    rounds: int = 6,
    replicates: int = 2,
    methods: tuple[str, ...] = ("iterative",),
    reinits: int = 0,
    masks: int = 0,
    iterations: int = 1_000,
    every: int = 100,
    experiment: str | None = None,
    keep: Callable[[NetworkKey], bool] = lambda key: True,
) -> list[Result]:
    """Write results.csv and every metrics.csv; `keep` says which networks are finished."""
    layout, results = RunLayout(root), []
    for key in filter(keep, keys(rounds, replicates, methods, reinits, masks)):
        rows = learning_curve(key, iterations=iterations, every=every, draw=random.Random(f"{root.name} {key}"))
        network = layout.network(key)
        network.root.mkdir(parents=True)
        table = MetricsFile(network.metrics)
        table.cut(0)
        for row in rows:
            table.append(asdict(row))
        stop = early_stop(rows)
        results.append(
            Result(
                experiment=experiment or layout.name,
                replicate=key.replicate,
                method=key.method,
                round=key.round,
                branch=key.branch,
                density=density(key.round),
                early_stop_iteration=stop.iteration,
                early_stop_val_loss=stop.val_loss,
                early_stop_test_accuracy=stop.test_accuracy,
                final_test_accuracy=rows[-1].test_accuracy,
                final_train_accuracy=rows[-1].train_accuracy,
                seconds=12.5,
            )
        )
    write_results(layout.results, results)
    return results


def result(method: str, round_: int, replicate: int = 0, branch: int = 0, **values: float) -> Result:
    """A row with the values that matter to a test; a round leaves 80 % of the weights."""
    row = {
        "density": 0.8**round_,
        "early_stop_iteration": 100,
        "early_stop_val_loss": 0.1,
        "early_stop_test_accuracy": 0.9,
        "final_test_accuracy": 0.9,
        "final_train_accuracy": 1.0,
        "seconds": 1.0,
    }
    return Result(
        experiment="made-up", replicate=replicate, method=method, round=round_, branch=branch, **(row | values)
    )
