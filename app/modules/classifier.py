"""Image classification by any network."""

from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy
from typing_extensions import override

from app.modules.low_overhead import LeanModule
from app.modules.train_means import TrainMeans, means

STAGES = ("val", "test")

# Images that go through the network at once where no gradients are wanted: on a CPU as many as leave its activations
# in the cache of a core, on a GPU as many as fit into its memory with the widest of our networks.
AT_ONCE = {"cpu": 250, "cuda": 2500}


class Classifier(LeanModule):
    """Cross-entropy training of a network, with validation and test measured side by side.

    The first validation loader is logged as `val_loss`, `val_accuracy`, a second one as `test_loss`, `test_accuracy`;
    beside them `train_loss` and `train_accuracy`, means over the iterations since the validation before.

    Args:
        net: maps images (B, ...) to logits (B, classes). To be pruned it declares `prunable_parameters()`, to be drawn
            afresh `reset_parameters()`.
        optimizer: makes the optimiser from the parameters.
        lr_scheduler: makes the learning-rate scheduler from the optimiser; it steps once per iteration.
        num_classes: number of classes.
    """

    metric_names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy")

    def __init__(
        self,
        net: nn.Module,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
        num_classes: int = 10,
    ) -> None:
        super().__init__()
        self.net = net
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.val_right = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.test_right = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self._accuracies = {"val": self.val_right, "test": self.test_right}
        # Loss and images of each stage since its measurement began, in float64, so that a mean does not depend on how
        # a set was cut. No buffers: those follow the precision of the weights, and DDP overwrites them with the first
        # rank's.
        self._loss_sums = {stage: torch.zeros(2, dtype=torch.float64) for stage in STAGES}
        self._train_means = TrainMeans()

    def prunable_parameters(self) -> dict[str, str]:
        """What the network declares prunable, by the names that its parameters have here."""
        declare = getattr(self.net, "prunable_parameters", dict)
        return {f"net.{name}": kind for name, kind in declare().items()}

    def reset_parameters(self) -> None:
        """Draw the network afresh from torch's global generator."""
        self.net.reset_parameters()  # type: ignore[operator]

    @override
    def forward(self, images: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return self.net(images)  # type: ignore[no-any-return]
        parts = torch.split(images, AT_ONCE.get(images.device.type, len(images)))
        return torch.cat([self.net(part) for part in parts])

    @override
    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(self.parameters())
        if self.lr_scheduler is None:
            return optimizer
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.lr_scheduler(optimizer), "interval": "step"},
        }

    @override
    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        logits = self.net(images)
        loss = F.cross_entropy(logits, labels)
        self._train_means.add(loss, logits, labels)
        return loss

    @override
    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        self._evaluate(batch, STAGES[dataloader_idx])

    @override
    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate(batch, "test")

    @override
    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Predicted classes, int64, (B,)."""
        classes: Tensor = self(batch[0]).argmax(1)
        return classes

    def _evaluate(self, batch: tuple[Tensor, Tensor], stage: str) -> None:
        images, labels = batch
        logits = self(images)
        self._loss_sums[stage][0].add_(F.cross_entropy(logits, labels, reduction="none").double().sum())
        self._loss_sums[stage][1].add_(len(labels))
        self._accuracies[stage].update(logits, labels)

    def _log_stages(self) -> None:
        """Log what was measured, over all ranks. Here and not in the steps, where Lightning keeps loaders apart."""
        for stage in STAGES:
            if self._accuracies[stage].update_called:
                loss, images = self._sum_over_ranks(self._loss_sums[stage])
                self.log(f"{stage}_loss", loss / images, sync_dist=True)
                self.log(f"{stage}_accuracy", self._accuracies[stage].compute(), sync_dist=True)

    def _reset_stages(self) -> None:
        """Begin new sums. Not after measuring: `test` runs in inference mode, and sums made there stay in it."""
        for stage in STAGES:
            self._loss_sums[stage] = torch.zeros(2, dtype=torch.float64, device=self.device)
            self._accuracies[stage].reset()

    def _sum_over_ranks(self, sums: Tensor) -> Tensor:
        return self.trainer.strategy.reduce(sums.clone(), reduce_op="sum")

    def _train_state(self) -> dict[str, Tensor]:
        return {name: self._sum_over_ranks(value.to(self.device)) for name, value in self._train_means.state().items()}

    @override
    def on_validation_epoch_start(self) -> None:
        self._reset_stages()

    @override
    def on_test_epoch_start(self) -> None:
        self._reset_stages()

    @override
    def on_validation_epoch_end(self) -> None:
        """Log the training means as well, and begin new ones; there are none before the first iteration."""
        self._log_stages()
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            loss, accuracy = means(self._train_state())
            # Lightning's own step is that of the last batch's index; ours is the number of iterations done.
            self.log("step", torch.tensor(self.global_step, dtype=torch.float64), sync_dist=True)
            self.log_dict({"train_loss": loss, "train_accuracy": accuracy}, sync_dist=True)
            self._train_means.reset()

    @override
    def on_test_epoch_end(self) -> None:
        self._log_stages()

    @override
    def on_train_start(self) -> None:
        if self.global_step == 0:
            self._train_means.reset()

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["train_means"] = self._train_state()

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # The sums of all ranks go to the first one; only their total counts.
        if "train_means" in checkpoint:
            self._train_means.load(checkpoint["train_means"])
            if self._trainer is not None and not self.trainer.is_global_zero:
                self._train_means.clear()
