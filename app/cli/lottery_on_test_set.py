"""`python -m app test RUN` of a lottery: every network on the test set."""

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from rich.progress import Progress

from app.commands.every_network import measure_every_network
from app.common.files import write_atomically
from app.common.metrics import Schema, described, headline_metrics
from app.runs.layout import RunLayout
from app.runs.measured_networks import OPTION, SCORES, Measurable, MeasuredNetworks, score_options
from app.runs.output_directory import claim_output
from app.runs.schema import read_schema


def lottery_on_test_set(
    trainer: Trainer, run: RunLayout, config: Mapping[str, Any], prepare: Callable[[str], dict[str, Any]]
) -> MeasuredNetworks:
    """Test the networks of a lottery that are not tested yet, and write one table.

    Args:
        trainer: that tests.
        run: the lottery.
        config: of the command, plain.
        prepare: loads the weights at a path, and gives the arguments of `Trainer.test`.

    Returns:
        The networks, measured.

    Raises:
        UserError: no finished network, or its weights do not fit.
    """
    declared = read_schema(run).metrics

    if trainer.progress_bar_callback is not None:
        trainer.progress_bar_callback.disable()  # one of all networks is shown

    def measure(network: Measurable, folder: Path, bars: Progress) -> str:
        callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
        before = list(callbacks)
        try:
            trainer.test(**prepare(str(network.weights)) | {"verbose": False})
        finally:
            callbacks[:] = before  # without those that load weights late
        measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
        text = io.StringIO()
        writer = csv.DictWriter(text, list(measured), lineterminator="\n")
        writer.writeheader()
        writer.writerow({name: repr(value) for name, value in measured.items()})
        claim_output(folder, [SCORES], OPTION)
        write_atomically(folder / SCORES, text.getvalue())
        return _summary(measured, declared)

    networks = MeasuredNetworks(run=run, command="test", options=score_options(config))
    measure_every_network(networks, measure)
    return networks


def _summary(measured: dict[str, float], declared: Schema) -> str:
    metrics = headline_metrics(described(declared, measured).values())
    return ", ".join(f"{metric.title} {metric.write(measured[metric.name])}" for metric in metrics)
