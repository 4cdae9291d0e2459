"""A run directory with made-up numbers that look like LeNet on MNIST, written through app.runs.table."""

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from app.common.metrics import Metric, accuracy, loss, perplexity
from app.report.lottery_run import LotteryRun
from app.runs.best_validation import BestValidation
from app.runs.layout import NetworkKey, RunLayout
from app.runs.schema import MethodNote, RunSchema, write_schema
from app.runs.table import EARLY_STOP, FINAL, HEAD, ITERATIONS, SECONDS, MetricsFile, MetricsRow, Result, write_results

CONTROLS = ("random_reinit", "random_mask")
METHODS = (
    MethodNote(name="dense"),
    MethodNote(name="iterative", note="pruned a little every round, the survivors rewound"),
    MethodNote(name="one_shot", label="one-shot", note="the trained dense network pruned once"),
    MethodNote(name="random_reinit", note="a ticket's mask with fresh weights", of="iterative"),
    MethodNote(
        name="random_mask",
        note="a ticket's density per layer in random places, weights from the rewind point",
        of="iterative",
    ),
)
NAMES = tuple(method.name for method in METHODS)
METRICS = (
    loss("train_loss"),
    accuracy("train_accuracy"),
    loss("val_loss", "Validation loss"),
    accuracy("val_accuracy", "Validation accuracy"),
    loss("test_loss"),
    accuracy("test_accuracy"),
)
LANGUAGE_METRICS = (
    loss("train_loss"),
    loss("val_loss", "Validation loss"),
    perplexity("val_perplexity", "Validation perplexity"),
    loss("test_loss"),
    perplexity("test_perplexity", "Test perplexity"),
)
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
                NetworkKey(replicate, name, round_, branch, of="iterative")
                for name in CONTROLS
                for branch in range(branches[name])
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


def learning_curve(key: NetworkKey, *, iterations: int, every: int, draw: random.Random) -> list[MetricsRow]:
    stop, error = _character(key)
    stop *= iterations * draw.uniform(0.88, 1.12)
    error *= draw.uniform(0.97, 1.03)
    rows = []
    for t in range(0, iterations + 1, every):
        wrong = error + (0.9 - error) / (1 + 30 * t / stop) ** 1.6 * draw.uniform(0.95, 1.05)
        val_loss = 0.07 + 2.2 / (1 + 40 * t / stop) + (1.5 * max(0.0, t - stop) + 0.1 * abs(t - stop)) / iterations
        rows.append(
            {
                "iteration": t,
                "train_loss": math.nan if t == 0 else 3.3 * wrong,
                "train_accuracy": math.nan if t == 0 else 1 - 0.8 * wrong,
                "val_loss": val_loss,
                "val_accuracy": 1 - wrong,
                "test_loss": 3.5 * wrong,
                "test_accuracy": round(10_000 * (1 - wrong)) / 10_000,
            }
        )
    return rows


def as_language_model(row: MetricsRow) -> MetricsRow:
    """Losses and perplexities instead of accuracies."""
    losses = {name: value + 4 for name, value in row.items() if name.endswith("_loss")}
    perplexities = {f"{part}_perplexity": math.exp(losses[f"{part}_loss"]) for part in ("val", "test")}
    return {"iteration": row["iteration"], **losses, **perplexities}


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
    measure: Callable[[MetricsRow], MetricsRow] = lambda row: row,
    metrics: Iterable[Metric] | None = METRICS,
    notes: Iterable[MethodNote] = METHODS,
    rename: Callable[[NetworkKey], NetworkKey] = lambda key: key,
) -> list[Result]:
    """Write schema.json, results.csv and every metrics.csv.

    Args:
        root: the run directory.
        rounds: of pruning.
        replicates: of everything.
        methods: that prune.
        reinits: random reinitialisations of each ticket.
        masks: random masks of each ticket.
        iterations: of a training.
        every: iterations between validations.
        experiment: its name; the directory's where left out.
        keep: which networks are finished.
        measure: what a network measures, from a row of an image classifier's.
        metrics: of schema.json; None to write none, as in run directories from before there was one.
        notes: on the methods.
        rename: another name of a network's method.
    """
    layout, results = RunLayout(root), []
    for given in filter(keep, keys(rounds, replicates, methods, reinits, masks)):
        key = rename(given)
        curve = learning_curve(given, iterations=iterations, every=every, draw=random.Random(f"{root.name} {given}"))
        rows = [measure(row) for row in curve]
        network = layout.network(key)
        network.root.mkdir(parents=True)
        table = MetricsFile(network.metrics, [name for name in rows[0] if name != "iteration"])
        table.cut(0)
        for row in rows:
            table.append(row)
        stop = BestValidation().of(rows)
        told = {EARLY_STOP: stop, FINAL: rows[-1]}
        results.append(
            Result(
                experiment=experiment or layout.name,
                replicate=key.replicate,
                method=key.method,
                round=key.round,
                branch=key.branch,
                density=density(key.round),
                early_stop_iteration=int(stop["iteration"]),
                values={
                    f"{prefix}{name}": value
                    for prefix, row in told.items()
                    for name, value in row.items()
                    if name != "iteration"
                },
                seconds=12.5,
            )
        )
    write_results(layout.results, results)
    if metrics is not None:
        write_schema(layout, metrics, notes)
    return results


def result(method: str, round_: int, replicate: int = 0, branch: int = 0, **values: float) -> Result:
    """A row with the values that matter to a test; a round leaves 80 % of the weights."""
    row = Result(
        experiment="made-up",
        replicate=replicate,
        method=method,
        round=round_,
        branch=branch,
        density=0.8**round_,
        early_stop_iteration=100,
        values={"early_stop_test_accuracy": 0.9, "final_test_accuracy": 0.9},
        seconds=1.0,
    )
    return changed(row, **values)


def changed(row: Result, **changes: object) -> Result:
    """A row with other values, by column."""
    head = {name: value for name, value in changes.items() if name in (*HEAD, ITERATIONS, SECONDS)}
    values = {name: value for name, value in changes.items() if name not in head}
    return replace(row, **head, values={**row.values, **values})


def lottery_of(rows: Iterable[Result], name: str = "made-up") -> LotteryRun:
    """An experiment that is in no file, with all methods declared."""
    return LotteryRun(name=name, schema=RunSchema(methods=METHODS), results=list(rows))
