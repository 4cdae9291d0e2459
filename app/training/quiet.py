"""Finds the iterations of a training that no callback or logger takes part in: they need none of Lightning's hooks."""

from collections.abc import Callable
from functools import partial
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins import DoublePrecision, Precision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import Tensor

from app.common.protocols import QuietlyTrained, QuietSteps, SometimesListening
from app.common.quiet_iterations import saves_after
from app.training.unprofiled import Unprofiled
from callbacks import IterativePruningCallback

HOOKS = (
    *("on_train_batch_start", "on_train_batch_end", "on_before_zero_grad"),
    *("on_before_backward", "on_after_backward", "on_before_optimizer_step"),
)
TRANSFERS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")


class Quiet:
    """The iterations of one training that no callback needs hooks for.

    Callbacks are asked again after every iteration with hooks, because they may have been added or removed in it.
    """

    def __init__(self) -> None:
        self._steps: QuietSteps | None = None
        self._made_for: list[Any] = []
        self._asked: list[Callable[[], bool]] = []

    def prepare(self, trainer: Trainer) -> "Quiet | None":
        """Itself where iterations may have no hooks, else None."""
        module = trainer.lightning_module
        asked = listeners(trainer)
        if asked is None or not isinstance(module, QuietlyTrained) or not _is_plain(trainer):
            return None
        self._asked = asked
        optimizer, masks = trainer.optimizers[0], _masks(trainer)
        made_for = [module, optimizer, trainer.gradient_clip_val, *masks.values()]
        if self._steps is None or not _are_the_same(made_for, self._made_for):
            self._steps, self._made_for = _steps(trainer, module, masks), made_for
        return self if self._steps is not None else None

    def begin(self) -> bool:
        """Whether the tensors are where they were; they are found anew the next time where they are not."""
        assert self._steps is not None
        if not self._steps.begin():
            self._made_for = []
            return False
        return True

    def needs_hooks(self) -> bool:
        """Whether a callback needs the hooks of the next iteration."""
        return any(ask() for ask in self._asked)

    def __call__(self, batch: Any) -> Tensor | None:
        """Train on a batch."""
        assert self._steps is not None
        return self._steps(batch)

    def end(self) -> None:
        """What follows is done with hooks."""
        assert self._steps is not None
        self._steps.end()


def _steps(trainer: Trainer, module: QuietlyTrained, masks: dict[str, Tensor]) -> QuietSteps | None:
    optimizer, clip = trainer.optimizers[0], None
    if trainer.gradient_clip_val:
        clip = partial(
            trainer.lightning_module.configure_gradient_clipping,
            optimizer,
            gradient_clip_val=trainer.gradient_clip_val,
            gradient_clip_algorithm=trainer.gradient_clip_algorithm,
        )
    return module.quiet_steps(optimizer, masks, clip)


def _are_the_same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def listeners(trainer: Trainer) -> list[Callable[[], bool]] | None:
    """Functions that say whether a callback needs the hooks of the next iteration; None if one needs those of all."""
    asked: list[Callable[[], bool]] = []
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if not any(map(partial(_overrides, callback), HOOKS)):
            continue
        if _says_when(callback):
            asked.append(partial(callback.listens, trainer))
        elif type(callback).on_train_batch_end is ModelCheckpoint.on_train_batch_end and not any(
            _overrides(callback, name) for name in HOOKS if name != "on_train_batch_end"
        ):
            asked.append(partial(_saves_next, callback, trainer))
        else:
            return None
    return asked


def _overrides(callback: Callback, name: str) -> bool:
    return getattr(getattr(callback, name), "__func__", None) is not getattr(Callback, name)


def _says_when(callback: Callback) -> bool:
    """Whether a callback says when it listens, in a class that knows all of its hooks."""
    if not isinstance(callback, SometimesListening) or any(name in vars(callback) for name in HOOKS):
        return False
    order = type(callback).__mro__

    def definer(name: str) -> int:
        return next(place for place, each in enumerate(order) if name in vars(each))

    return all(definer(name) >= definer("listens") for name in HOOKS)


def _saves_next(callback: ModelCheckpoint, trainer: Trainer) -> bool:
    return saves_after(callback, trainer.global_step + 1)


def _is_plain(trainer: Trainer) -> bool:
    """Whether nothing but callbacks looks at an iteration: one process on the CPU, in one precision, unprofiled."""
    strategy = trainer.strategy
    return (
        type(strategy) is SingleDeviceStrategy
        and strategy.root_device.type == "cpu"
        and type(trainer.precision_plugin) in (Precision, DoublePrecision)
        and type(trainer.profiler) in (Unprofiled, PassThroughProfiler)  # type: ignore[attr-defined]
        and trainer.accumulate_grad_batches == 1
        and len(trainer.optimizers) == 1
        and not _transfers(trainer.datamodule)  # type: ignore[attr-defined]
    )


def _transfers(data: Any) -> bool:
    return data is not None and any(is_overridden(name, data) for name in TRANSFERS)


def _masks(trainer: Trainer) -> dict[str, Tensor]:
    """The masks that a callback keeps, by plain parameter name."""
    return {
        name: mask
        for callback in trainer.callbacks  # type: ignore[attr-defined]
        if isinstance(callback, IterativePruningCallback)
        for name, mask in callback.masks.items()
    }
