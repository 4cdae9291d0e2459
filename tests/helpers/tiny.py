"""Networks, data and Trainers small enough that a test can train dozens of them."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from datamodules import TensorLoader

FEATURES, HIDDEN, CLASSES = 6, 8, 3
RATES = {"fc": 0.3, "output": 0.2}


class TinyNet(nn.Module):
    """6-8-3, with dropout, batch norm or both on demand."""

    def __init__(self, *, dropout: float = 0.0, norm: bool = False) -> None:
        super().__init__()
        self.fc = nn.Linear(FEATURES, HIDDEN)
        self.norm = nn.BatchNorm1d(HIDDEN) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(HIDDEN, CLASSES)

    def prunable_parameters(self) -> dict[str, str]:
        return {"fc.weight": "fc", "output.weight": "output"}

    def reset_parameters(self) -> None:
        self.fc.reset_parameters()
        self.output.reset_parameters()

    def forward(self, rows: Tensor) -> Tensor:
        return self.output(self.dropout(torch.relu(self.norm(self.fc(rows)))))


class TinyModule(LightningModule):
    """A net and an optimiser, and nothing that is ours besides `prunable_parameters`."""

    def __init__(
        self,
        net: nn.Module | None = None,
        configure: Callable[[LightningModule], Any] | None = None,
    ) -> None:
        super().__init__()
        self.net = net or TinyNet()
        self.val_losses: list[Tensor] = []
        self.configure = configure or (lambda module: Adam(module.parameters(), lr=0.05))

    def prunable_parameters(self) -> dict[str, str]:
        return {f"net.{name}": kind for name, kind in self.net.prunable_parameters().items()}

    def configure_optimizers(self) -> Any:
        return self.configure(self)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        rows, labels = batch
        return F.cross_entropy(self.net(rows), labels)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        if dataloader_idx == 0:
            self.val_losses.append(F.cross_entropy(self.net(batch[0]), batch[1]))

    def on_validation_epoch_end(self) -> None:
        # Here, because Lightning keeps what several loaders log in their steps from callbacks in its sanity check.
        self.log("val_loss", torch.stack(self.val_losses).mean())
        self.val_losses.clear()

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.log("test_loss", F.cross_entropy(self.net(batch[0]), batch[1]))


class TinyData(LightningDataModule):
    """Random rows with random labels, in batches of 4; no set has a length that its batches divide."""

    def __init__(self, rows: int = 26, *, eval_batch_size: int = 4, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        self.eval_batch_size = eval_batch_size
        self.sets = {
            name: (
                torch.randn(size, FEATURES, generator=generator).to(dtype),
                torch.randint(CLASSES, (size,), generator=generator),
            )
            for name, size in (("train", rows), ("val", 11), ("test", 13))
        }

    def train_dataloader(self) -> TensorLoader:
        return TensorLoader(self.sets["train"], 4, shuffle_seed=3)

    def val_dataloader(self) -> list[TensorLoader]:
        return [TensorLoader(self.sets["val"], self.eval_batch_size), self.test_dataloader()]

    def test_dataloader(self) -> TensorLoader:
        return TensorLoader(self.sets["test"], self.eval_batch_size)

    def train_eval_dataloader(self) -> TensorLoader:
        return TensorLoader(self.sets["train"], self.eval_batch_size)


class Probe(Callback):
    """Calls functions at moments of a training: `Probe(on_train_start=f)` calls `f(trainer, module)`."""

    def __init__(self, **moments: Callable[..., Any]) -> None:
        for name, function in moments.items():
            setattr(self, name, lambda trainer, module, *rest, call=function: call(trainer, module))


def tiny_trainer(callbacks: Sequence[Callback] = (), **arguments: Any) -> Trainer:
    """A Trainer on the CPU that writes, shows and validates nothing unless it is told to."""
    silent = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "limit_val_batches": 0,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
    }
    return Trainer(callbacks=list(callbacks), **silent | arguments)


def with_validation(every: int, **arguments: Any) -> dict[str, Any]:
    """Arguments of a Trainer that validates on whole sets at iteration 0 and every so many iterations."""
    return {
        "limit_val_batches": 1.0,
        "num_sanity_val_steps": -1,
        "val_check_interval": every,
        "check_val_every_n_epoch": None,
    } | arguments


def weights(module: nn.Module) -> dict[str, Tensor]:
    """A copy of a module's state."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def after_training(kind: type[TinyModule], callbacks: Sequence[Callback]) -> dict[str, Tensor]:
    """What five iterations with dropout leave: the module's state, its parts' modes and the random numbers' state."""
    torch.manual_seed(0)
    module = kind(TinyNet(dropout=0.5, norm=True))
    tiny_trainer(callbacks, max_steps=5).fit(module, TinyData())
    modes = torch.tensor([part.training for part in module.modules()])
    return weights(module) | {"modes": modes, "random": torch.get_rng_state()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether two states have the same names and the same bits."""
    return first.keys() == second.keys() and all(
        first[name].dtype == second[name].dtype and first[name].numpy().tobytes() == second[name].numpy().tobytes()
        for name in first
    )


def optimizers() -> dict[str, Callable[[LightningModule], Optimizer]]:
    """Optimisers that move a weight whose gradient is 0, and one that does not."""
    return {
        "adam": lambda module: Adam(module.parameters(), lr=0.05),
        "adam with weight decay": lambda module: Adam(module.parameters(), lr=0.05, weight_decay=0.1),
        "momentum and weight decay": lambda module: SGD(module.parameters(), lr=0.2, momentum=0.9, weight_decay=0.1),
        "sgd": lambda module: SGD(module.parameters(), lr=0.2),
    }
