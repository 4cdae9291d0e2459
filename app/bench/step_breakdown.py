"""Divides the time of a training step among its parts: at every boundary a mark names the part that has just ended."""

import time
from collections import defaultdict
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from typing_extensions import override

from app.bench.softmax import plain_loss
from app.bench.timing import Clock
from app.modules import LanguageModel
from callbacks import NTASGD

DROPOUT, SOFTMAX, PENALTIES = "embedding and dropout", "softmax and loss", "AR and TAR"
CLIP, SGD, AVERAGING, OTHER = "clip", "SGD", "averaging", "other"
FORWARD, BACKWARD = "forward", "backward"


class Way(StrEnum):
    """How a training step is computed."""

    FLOAT32 = "float32"
    MIXED = "bf16-mixed"
    EAGER = "eager"  # eager nets and plain softmax, float32


# Seconds by part and direction.
StepSeconds = dict[tuple[str, str], float]


class StepBreakdown:
    """Adds the time since the last mark to the part that a mark names, so that the parts sum to the whole step."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self._clock = clock
        self._last = 0.0
        self._step: StepSeconds = defaultdict(float)

    def start(self) -> None:
        """Start timing a step."""
        self._last, self._step = self._clock(), defaultdict(float)

    def mark(self, part: str, direction: str = FORWARD) -> None:
        """Record that a part has just ended."""
        now = self._clock()
        self._step[part, direction] += now - self._last
        self._last = now

    def step(self) -> StepSeconds:
        """The times of the step so far."""
        return dict(self._step)


class MarkedModel(LanguageModel):
    """A language model that marks its parts; in the backward pass, when their gradients are complete.

    Attributes:
        breakdown: gets the marks.
    """

    breakdown: StepBreakdown
    _way = Way.FLOAT32

    def use(self, way: Way) -> None:
        """Compute the steps that follow in another way."""
        self._way = way
        self.net.implementation = "eager" if way == Way.EAGER else "fused"

    @override
    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """As under a Trainer's precision of that name."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self._way == Way.MIXED):
            return super().training_step(*args, **kwargs)

    def watch(self, breakdown: StepBreakdown) -> None:
        """Register hooks that mark every layer."""
        self.breakdown = breakdown
        for number, layer in enumerate(self.net.layers, start=1):
            name = f"layer {number}"
            layer.register_forward_pre_hook(lambda _, inputs, name=name: self._enter(inputs[0], name))
            layer.register_forward_hook(lambda _, inputs, outputs, name=name: self._leave(outputs[0], name))

    def _enter(self, x: Tensor, name: str) -> None:
        self.breakdown.mark(DROPOUT)
        x.register_hook(lambda _: self.breakdown.mark(name, BACKWARD))  # type: ignore[no-untyped-call]

    def _leave(self, output: Tensor, name: str) -> None:
        self.breakdown.mark(name)
        output.register_hook(lambda _: self.breakdown.mark(DROPOUT, BACKWARD))  # type: ignore[no-untyped-call]

    @override
    def _loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        self.breakdown.mark(DROPOUT)
        if self._way == Way.EAGER and isinstance(self.decoder, nn.Linear):
            loss = plain_loss(hidden.flatten(0, 1), self.decoder.weight, self.decoder.bias, targets.flatten())
        else:
            loss = super()._loss(hidden, targets)
        self.breakdown.mark(SOFTMAX)
        assert loss.grad_fn is not None
        loss.grad_fn.register_prehook(lambda _: self.breakdown.mark(PENALTIES, BACKWARD))
        hidden.register_hook(lambda _: self.breakdown.mark(SOFTMAX, BACKWARD))  # type: ignore[no-untyped-call]
        return loss

    @override
    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:  # type: ignore[override]
        """Skip the step if training should stop: Lightning would otherwise take one more."""
        super().on_train_batch_start(batch, batch_idx)
        return -1 if self.trainer.should_stop else None

    @override
    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        super().configure_gradient_clipping(*args, **kwargs)
        self.breakdown.mark(CLIP)


class Marks(Callback):
    """Marks the parts of a step outside the model, and stops the training. It must be the first callback.

    Several ways of computing a step take turns.

    Args:
        breakdown: gets the marks.
        averaging: is made to start at the first step.
        enough: called with the number of rounds after each one; whether to stop.
        turns: how the steps of a round are computed.

    Attributes:
        steps: the times of the steps of each way, without those of the first round, which is a warm-up.
    """

    def __init__(
        self,
        breakdown: StepBreakdown,
        averaging: NTASGD,
        enough: Callable[[int], bool],
        turns: tuple[Way, ...],
    ) -> None:
        self.breakdown = breakdown
        self.averaging = averaging
        self.enough = enough
        self.turns = turns
        self.steps: dict[Way, list[StepSeconds]] = {way: [] for way in turns}
        self._begun = 0

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        assert isinstance(pl_module, MarkedModel)
        if self._begun:
            self.breakdown.mark(OTHER)
            if self._begun > len(self.turns):
                self.steps[self.turns[(self._begun - 1) % len(self.turns)]].append(self.breakdown.step())
        if self.averaging.triggered_at is None:
            self.averaging.triggered_at = trainer.global_step
        pl_module.use(self.turns[self._begun % len(self.turns)])
        rounds, place = divmod(self._begun, len(self.turns))
        if not place and rounds and self.enough(rounds - 1):
            trainer.should_stop = True
        self._begun += 1
        self.breakdown.start()

    @override
    def on_before_zero_grad(self, *_: Any) -> None:
        self.breakdown.mark(PENALTIES)

    @override
    def on_before_backward(self, *_: Any) -> None:
        self.breakdown.mark(OTHER)

    @override
    def on_after_backward(self, *_: Any) -> None:
        self.breakdown.mark(DROPOUT, BACKWARD)

    @override
    def on_before_optimizer_step(self, *_: Any) -> None:
        self.breakdown.mark(OTHER)

    @override
    def on_train_batch_end(self, *_: Any) -> None:
        self.breakdown.mark(SGD)


class LastMark(Callback):
    """Marks the end of the averaging. It must be the last callback, directly after the averaging."""

    def __init__(self, breakdown: StepBreakdown) -> None:
        self.breakdown = breakdown

    @override
    def on_train_batch_end(self, *_: Any) -> None:
        self.breakdown.mark(AVERAGING)
