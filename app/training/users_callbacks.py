"""Callbacks of the configuration in trainings with a run directory: which cannot be there, and where others write."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import (
    BaseFinetuning,
    BatchSizeFinder,
    GradientAccumulationScheduler,
    LearningRateFinder,
    ModelCheckpoint,
    ModelPruning,
    OnExceptionCheckpoint,
    ProgressBar,
    SpikeDetection,
    Timer,
)

from app.common.errors import UserError
from app.common.lightning_internals import save_over

_TRIES = (
    "trains for a while before the training that is recorded, which could not go on to the same bits; use it without "
    "--experiment, and write what it finds into the configuration"
)
IN_A_RUN: dict[type[Callback], str] = {
    BatchSizeFinder: _TRIES,
    LearningRateFinder: _TRIES,
    ModelPruning: "leaves its masks out of checkpoints, so that a training could not go on to the same bits; lottery "
    "prunes",
    SpikeDetection: "cannot be restored from a checkpoint, so that a training could not go on; leave it out",
    OnExceptionCheckpoint: "would begin a training with the checkpoint that it left of another; a run directory has "
    "last.ckpt for that, so leave it out",
}
IN_A_LOTTERY: dict[type[Callback], str] = {
    Timer: "ends the networks by the clock, each at another length; set trainer.max_steps or trainer.max_epochs",
    GradientAccumulationScheduler: "changes during a training how many batches make an iteration, and a lottery counts "
    "iterations; use trainer.accumulate_grad_batches",
    BaseFinetuning: "keeps layers from training that the lottery prunes by their trained weights; leave it out",
}


def check_callbacks(callbacks: Iterable[Callback], *, lottery: bool, workers: int = 1) -> None:
    """Refuse callbacks that a training with a run directory cannot have.

    Args:
        callbacks: of the configuration.
        lottery: whether they are of the networks of a lottery.
        workers: processes that train side by side.

    Raises:
        UserError: naming the callback, with the reason.
    """
    for callback in callbacks:
        for kind, reason in (IN_A_RUN | (IN_A_LOTTERY if lottery else {})).items():
            if isinstance(callback, kind):
                raise _refused(callback, reason)
        if lottery and isinstance(callback, ModelCheckpoint) and callback.dirpath is not None:
            raise _refused(
                callback,
                f"would save all networks in {callback.dirpath}; leave its dirpath out, and each is saved in its own "
                "directory, in checkpoints/",
            )
        if isinstance(callback, ProgressBar) and workers > 1:
            raise _refused(
                callback, f"cannot show {workers} networks at once; leave it out, or set pruning.workers to 1"
            )


def save_in(callbacks: Sequence[Callback], root: Path) -> None:
    """Let the user's ModelCheckpoints that name no directory save in the directory of the network.

    Lightning would choose that of the first logger, which may log several networks.
    """
    for callback in callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
            callback.dirpath = str(root / "checkpoints")
            if callback.filename is None:  # then every iteration has a name of its own
                save_over(callback)  # a training that goes on may come to the same iteration again


def _refused(callback: Callback, reason: str) -> UserError:
    return UserError(f"trainer.callbacks: {type(callback).__name__} {reason}")
