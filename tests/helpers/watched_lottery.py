"""A tiny lottery whose learning rate falls with every iteration, and what its trainings see."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import ExponentialLR

from app.lottery.rounds import Lottery
from app.modules import Classifier
from app.pruning import When
from app.runs.layout import NetworkKey
from helpers.tiny import weights
from helpers.tiny_lottery import TinyNet, lottery, make_trainer

PER_EPOCH, LR, DECAY = 3, 0.1, 0.9


@dataclass
class Seen:
    """What one training saw."""

    batches: dict[int, bytes] = field(default_factory=dict)  # by how many iterations came before
    rates: dict[int, float] = field(default_factory=dict)
    losses: dict[int, float] = field(default_factory=dict)
    start: dict[str, Tensor] = field(default_factory=dict)
    momentum_at_start: int = -1


class Watch(Callback):
    """Notes it, by method and round; may end the process's part at an iteration."""

    def __init__(self, run: Path, seen: dict[str, Seen], die_at: tuple[str, int] | None) -> None:
        self.run, self.seen, self.die_at = run, seen, die_at

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        name = NetworkKey.of_path(Path(trainer.default_root_dir).relative_to(self.run).as_posix())
        assert name is not None
        seen = self.seen.setdefault(f"{name.method} {name.round}", Seen())
        self.now = seen
        done, (optimizer,) = trainer.global_step, trainer.optimizers
        if not seen.batches:
            seen.start = weights(pl_module)
            seen.momentum_at_start = sum("momentum_buffer" in state for state in optimizer.state.values())
        if self.die_at == (f"{name.method} {name.round}", done):
            raise KeyboardInterrupt
        assert done not in seen.batches or seen.batches[done] == b"".join(part.numpy().tobytes() for part in batch)
        seen.batches[done] = b"".join(part.numpy().tobytes() for part in batch)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        self.now.rates[trainer.global_step] = optimizer.param_groups[0]["lr"]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.now.losses[trainer.global_step - 1] = float(outputs["loss"])


def watched(
    run: Path, *, die_at: tuple[str, int] | None = None, data: LightningDataModule | None = None, **options: Any
) -> tuple[Lottery, dict[str, Seen]]:
    """A lottery whose learning rate falls with every iteration, and what its trainings see."""
    seen: dict[str, Seen] = {}
    drawn = lottery(run, **{"keep": ["final", "start"]} | options)

    def trainer(root: Path, callbacks: list[Callback], logger: Any, **arguments: Any) -> Trainer:
        return make_trainer(root, [Watch(run, seen, die_at), *callbacks], logger, **arguments)

    model = Classifier(
        TinyNet(),
        optimizer=lambda parameters: SGD(parameters, lr=LR, momentum=0.9),
        lr_scheduler=lambda optimizer: ExponentialLR(optimizer, DECAY),
        num_classes=3,
    )
    changes = {"model": model, "make_trainer": trainer, "checkpoint_seconds": 1e-9}
    changes |= {"rewind_iteration": When.parse(drawn.settings.rewind_to).iteration(PER_EPOCH)}
    if data is not None:
        data.prepare()  # type: ignore[operator]
        changes["data"] = data
    training = replace(drawn.train, **changes)  # type: ignore[type-var]
    return replace(drawn, model=model, data=training.data, train=training), seen


def run(root: Path, **options: Any) -> dict[str, Seen]:
    drawn, seen = watched(root, **options)
    drawn.run()
    return seen
