"""Measures a module on the validation and test data outside of a training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.loggers.logger import DummyLogger

from app.training.library_errors import library_errors_named
from app.training.requirements import is_tested
from app.training.trainer_factory import TrainerFactory
from app.training.unprofiled import Unprofiled
from callbacks import SameWeights
from callbacks.metrics_recorder import UNRECORDED, number

TEST = "test_"


def measure(
    model: LightningModule,
    data: LightningDataModule,
    make_trainer: TrainerFactory,
    root: Path,
    arguments: Mapping[str, Any] | None = None,
    *,
    logs: bool = False,
) -> dict[str, float]:
    """What a validation logs, and a test where no validation measures the test set.

    Args:
        model: as it is.
        data: prepared and set up.
        make_trainer: a fresh Trainer from the configuration.
        root: directory for what a Trainer may write.
        arguments: of the Trainer, in place of the configuration's.
        logs: whether the module is to have a logger, which keeps nothing.
    """
    measured: dict[str, float] = {}
    for what in ("validate", "test"):
        if what == "test" and (any(name.startswith(TEST) for name in measured) or not is_tested(model, data)):
            break
        # A module may use its logger; what is logged here would stand at iteration 0. Tensors that it keeps from a
        # validation are to be of use in the next training.
        others = {**(arguments or {}), "inference_mode": False, "profiler": Unprofiled()}
        trainer = make_trainer(root, [SameWeights()], [DummyLogger()] if logs else [], **others)
        with library_errors_named():
            getattr(trainer, what)(model, datamodule=data, verbose=False)
        logged = trainer.callback_metrics.items()
        measured |= {name: number(value) for name, value in logged if name not in UNRECORDED}
    return measured
