"""Where the time of a training step goes: a stopwatch that is told at every boundary which part has just ended."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from app.bench.softmax import plain_loss
from app.bench.timing import Clock
from app.modules import LanguageModel
from callbacks import NTASGD

DROPOUT, SOFTMAX, PENALTIES = "embedding and dropout", "softmax and loss", "AR and TAR"
CLIP, SGD, AVERAGING, OTHER = "clip", "SGD", "averaging", "other"
FORWARD, BACKWARD = "forward", "backward"

# Seconds by part and way.
Step = dict[tuple[str, str], float]


class Laps:
    """Gives the time since the last mark to the part that the mark names, so that the parts sum to the whole."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self._clock = clock
        self._last = 0.0
        self._step: Step = defaultdict(float)

    def start(self) -> None:
        """Begin a step."""
        self._last, self._step = self._clock(), defaultdict(float)

    def mark(self, part: str, way: str = FORWARD) -> None:
        """A part has just ended."""
        now = self._clock()
        self._step[part, way] += now - self._last
        self._last = now

    def step(self) -> Step:
        """The step so far."""
        return dict(self._step)


class MarkedModel(LanguageModel):
    """A language model that marks its parts; on the way back, where their gradients are complete.

    Attributes:
        laps: is told.
    """

    laps: Laps

    def be(self, *, before: bool) -> None:
        """Compute as without our work (eager nets, plain softmax), or with it."""
        self._plain = before
        self.net.implementation = "eager" if before else "fused"

    def watch(self, laps: Laps) -> None:
        """Mark every layer from now on."""
        self.laps = laps
        for number, layer in enumerate(self.net.layers, start=1):
            name = f"layer {number}"
            layer.register_forward_pre_hook(lambda _, inputs, name=name: self._enter(inputs[0], name))
            layer.register_forward_hook(lambda _, inputs, outputs, name=name: self._leave(outputs[0], name))

    def _enter(self, x: Tensor, name: str) -> None:
        self.laps.mark(DROPOUT)
        x.register_hook(lambda _: self.laps.mark(name, BACKWARD))  # type: ignore[no-untyped-call]

    def _leave(self, output: Tensor, name: str) -> None:
        self.laps.mark(name)
        output.register_hook(lambda _: self.laps.mark(DROPOUT, BACKWARD))  # type: ignore[no-untyped-call]

    @override
    def _loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        self.laps.mark(DROPOUT)
        if self._plain:
            loss = plain_loss(hidden.flatten(0, 1), self.decoder.weight, self.decoder.bias, targets.flatten())
        else:
            loss = super()._loss(hidden, targets)
        self.laps.mark(SOFTMAX)
        assert loss.grad_fn is not None
        loss.grad_fn.register_prehook(lambda _: self.laps.mark(PENALTIES, BACKWARD))
        hidden.register_hook(lambda _: self.laps.mark(SOFTMAX, BACKWARD))  # type: ignore[no-untyped-call]
        return loss

    @override
    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:  # type: ignore[override]
        """Begin a step, unless there were enough: Lightning would take one more."""
        super().on_train_batch_start(batch, batch_idx)
        return -1 if self.trainer.should_stop else None

    @override
    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        super().configure_gradient_clipping(*args, **kwargs)
        self.laps.mark(CLIP)


class Marks(Callback):
    """Marks what happens between a model's own parts, and decides when it has been enough. Let it be the first.

    Steps with our work and without it take turns.

    Args:
        laps: is told.
        averaging: begins at once.
        enough: asked after every round of steps, with how many there were.
        turns: whether each step computes as before our work.

    Attributes:
        steps: for each turn, its steps; those of the first round warmed up, and are not there.
    """

    def __init__(
        self, laps: Laps, averaging: NTASGD, enough: Callable[[int], bool], turns: tuple[bool, ...] = (False, True)
    ) -> None:
        self.laps = laps
        self.averaging = averaging
        self.enough = enough
        self.turns = turns
        self.steps: dict[bool, list[Step]] = {turn: [] for turn in turns}
        self._begun = 0

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        assert isinstance(pl_module, MarkedModel)
        if self._begun:
            self.laps.mark(OTHER)
            if self._begun > len(self.turns):
                self.steps[self.turns[(self._begun - 1) % len(self.turns)]].append(self.laps.step())
        if self.averaging.triggered_at is None:
            self.averaging.triggered_at = trainer.global_step
        pl_module.be(before=self.turns[self._begun % len(self.turns)])
        rounds, place = divmod(self._begun, len(self.turns))
        if not place and rounds and self.enough(rounds - 1):
            trainer.should_stop = True
        self._begun += 1
        self.laps.start()

    @override
    def on_before_zero_grad(self, *_: Any) -> None:
        self.laps.mark(PENALTIES)

    @override
    def on_before_backward(self, *_: Any) -> None:
        self.laps.mark(OTHER)

    @override
    def on_after_backward(self, *_: Any) -> None:
        self.laps.mark(DROPOUT, BACKWARD)

    @override
    def on_before_optimizer_step(self, *_: Any) -> None:
        self.laps.mark(OTHER)

    @override
    def on_train_batch_end(self, *_: Any) -> None:
        self.laps.mark(SGD)


class LastMark(Callback):
    """Marks the end of the averaging, which is the last of the callbacks but for this one."""

    def __init__(self, laps: Laps) -> None:
        self.laps = laps

    @override
    def on_train_batch_end(self, *_: Any) -> None:
        self.laps.mark(AVERAGING)
