"""Image classification with any network."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics.classification import MulticlassAccuracy
from typing_extensions import override

from app.common import metrics, protocols
from app.common.errors import UserError
from app.common.lightning_internals import is_attached
from app.common.states import plain_parameters
from app.modules.low_overhead_module import LowOverheadModule
from app.modules.train_means import TrainMeans, means
from app.modules.warmup_multi_step_lr import WarmupMultiStepLR
from app.nets import feedforward

STAGES = ("val", "test")

# Largest number of images in a forward pass without gradients: on a CPU so many that the activations stay in the cache
# of a core, on a GPU so many that they fit into its memory with the widest of our networks.
AT_ONCE = {"cpu": 250, "cuda": 2500}


class Classifier(LowOverheadModule):
    """Cross-entropy training of a network, with validation and test measured side by side.

    The first validation loader is logged as `val_loss`, `val_accuracy`, a second one as `test_loss`, `test_accuracy`;
    `train_loss` and `train_accuracy` are means over the iterations since the last validation.

    Args:
        net: maps images (B, ...) to logits (B, classes). Pruning needs its method `prunable_parameters()`,
            reinitialisation its method `reset_parameters()`.
        optimizer: makes the optimiser from the parameters.
        lr_scheduler: makes the learning-rate scheduler from the optimiser; it steps once per iteration.
        num_classes: number of classes.
        channels_last: give the network its images with the channels as the fastest dimension in memory, which torch's
            convolutions then keep. Faster for some networks; results differ in rounding. Weights stay as they are.
        compiled: let compiled code train a network of linear layers with ReLU between them on a CPU (`app.nets.LeNet`,
            or an `nn.Sequential` of `Flatten`, `Linear` and `ReLU`), where there is a compiler. Faster; results differ
            in rounding.
    """

    metric_schema = (
        metrics.loss("train_loss", "Train loss"),
        metrics.accuracy("train_accuracy", "Train accuracy"),
        metrics.loss("val_loss", "Validation loss"),
        metrics.accuracy("val_accuracy", "Validation accuracy"),
        metrics.loss("test_loss", "Test loss"),
        metrics.accuracy("test_accuracy", "Test accuracy"),
        metrics.accuracy("supermask_accuracy", "Supermask accuracy"),
    )

    def __init__(
        self,
        net: nn.Module,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
        num_classes: int = 10,
        channels_last: bool = False,
        compiled: bool = True,
    ) -> None:
        super().__init__()
        self.net = net
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.channels_last = channels_last
        self.compiled = compiled
        self.val_right = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.test_right = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self._accuracies = {"val": self.val_right, "test": self.test_right}
        # Summed loss and number of images of each stage since its last reset, in float64, so that a mean does not
        # depend on how a set was cut into batches. Not buffers: these follow the precision of the weights, and DDP
        # overwrites them with the first rank's.
        self._loss_sums = {stage: torch.zeros(2, dtype=torch.float64) for stage in STAGES}
        self._train_means = TrainMeans()

    def prunable_parameters(self) -> dict[str, str]:
        """What the network declares prunable, by the names that its parameters have here; empty if it declares nothing.

        Where it is empty, all weights of the network but embeddings and norms may be pruned.
        """
        declare = getattr(self.net, "prunable_parameters", dict)
        return {f"net.{name}": kind for name, kind in declare().items()}

    def reset_parameters(self) -> None:
        """Draw the network's parameters afresh from torch's global generator."""
        protocols.reset_parameters(self.net)

    def stackable(self) -> protocols.StackableParts:
        """What is trained, where many networks are trained at once.

        Raises:
            UserError: a subclass may train something else; a scheduler or a layout would be left out.
        """
        if type(self) is not Classifier:
            raise UserError(
                f"{type(self).__name__} may change how a Classifier is trained; networks trained at once would not have"
                " that: choose --pruning.stack 1"
            )
        if self.lr_scheduler is not None:
            raise UserError("networks trained at once have no lr_scheduler; leave it out, or choose --pruning.stack 1")
        if self.channels_last:
            raise UserError(
                "networks trained at once take their images as they are; leave channels_last out, or choose"
                " --pruning.stack 1"
            )
        return protocols.StackableParts(self.net, "net.", self.optimizer)

    def initial_metrics(self, datamodule: Any) -> dict[str, float]:
        """Accuracy on the validation images before the training, over all ranks (Zhou et al. 2019: a supermask's).

        Args:
            datamodule: gives them as its first validation loader.
        """
        loaders = datamodule.val_dataloader()
        first = loaders[0] if isinstance(loaders, list | tuple) else loaders
        return {"supermask_accuracy": self._accuracy(first)}

    def final_metrics(self, datamodule: Any) -> dict[str, float]:
        """Accuracy of the trained network on all training images, over all ranks.

        Args:
            datamodule: gives them in order, as `train_eval_dataloader()`; nothing is measured where it does not.
        """
        if not hasattr(datamodule, "train_eval_dataloader"):
            return {}
        return {"train_accuracy": self._accuracy(datamodule.train_eval_dataloader())}

    def _accuracy(self, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
        """The share of images that are classified rightly, over all ranks."""
        right_and_seen = torch.zeros(2, dtype=torch.float64, device=self.device)
        plugin, strategy = self.trainer.precision_plugin, self.trainer.strategy
        with plugin.forward_context():
            for batch in batches:
                images, labels = strategy.batch_to_device(plugin.convert_input(batch))
                right_and_seen[0] += (self(images).argmax(1) == labels).sum()
                right_and_seen[1] += len(labels)
        right, seen = self._sum_over_ranks(right_and_seen).tolist()
        return float(right / seen)

    @override
    def forward(self, images: Tensor) -> Tensor:
        images = self._laid_out(images)
        if torch.is_grad_enabled():
            return self.net(images)  # type: ignore[no-any-return]
        if (layers := self._compiled_layers(images)) is not None:
            return feedforward.logits_of(layers, images)
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
        loss, logits = self._loss(images, labels)
        self._train_means.add(loss, logits, labels)
        return loss

    def _loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy and logits of a batch."""
        if (layers := self._compiled_layers(images)) is not None:
            found = feedforward.cross_entropy(layers, images, labels)
            if found is not None:
                return found
        logits = self.net(self._laid_out(images))
        return F.cross_entropy(logits, labels), logits

    def _compiled_layers(self, images: Tensor) -> list[nn.Linear] | None:
        """The layers of the network if compiled code computes it for these images, else None."""
        return feedforward.layers_for(self.net, images) if self.compiled else None

    def quiet_steps(
        self, optimizer: Optimizer, masks: Mapping[str, Tensor], clip: Callable[[], None] | None
    ) -> "ClassifierSteps | None":
        """Iterations by compiled code, where no callback needs their hooks (`app.common.protocols.QuietlyTrained`)."""
        layers = feedforward.linear_layers(self.net) if self.compiled and type(self) is Classifier else None
        if layers is None or feedforward.library() is None:
            return None
        parameters = plain_parameters(self)
        kept: dict[Tensor, Tensor] = {parameters[name]: mask for name, mask in masks.items()}
        if not feedforward.takes(optimizer, layers, kept):
            return None
        return ClassifierSteps(feedforward.Steps(layers, optimizer, kept, clip), self._train_means)

    def compiled_layers(self) -> list[nn.Module]:
        """The layers of the network that compiled code trains; it leaves out masked weights itself."""
        layers = feedforward.linear_layers(self.net) if self.compiled else None
        return [*layers] if layers is not None and feedforward.library() is not None else []

    def kernels(self, device: str) -> dict[str, str]:
        """What computes a network of linear layers on a type of device; nothing where the network is another."""
        if device != "cpu" or feedforward.linear_layers(self.net) is None:
            return {}
        found = feedforward.library() if self.compiled and not torch.is_autocast_enabled("cpu") else None
        return {"linear layers": "PyTorch" if found is None else f"compiled {found.digest}"}

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

    def _laid_out(self, images: Tensor) -> Tensor:
        """Images (B, channels, H, W) in the layout that the network is to compute in; others as they are."""
        if self.channels_last and images.ndim == 4:
            return images.contiguous(memory_format=torch.channels_last)
        return images

    def _evaluate(self, batch: tuple[Tensor, Tensor], stage: str) -> None:
        images, labels = batch
        logits = self(images)
        self._loss_sums[stage][0].add_(F.cross_entropy(logits, labels, reduction="none").double().sum())
        self._loss_sums[stage][1].add_(len(labels))
        self._accuracies[stage].update(logits, labels)

    def _log_stages(self) -> None:
        """Log loss and accuracy over all ranks. Not in the steps, where Lightning adds the loader to the names."""
        for stage in STAGES:
            if self._accuracies[stage].update_called:
                loss, images = self._sum_over_ranks(self._loss_sums[stage])
                self.log(f"{stage}_loss", loss / images, sync_dist=True)
                self.log(f"{stage}_accuracy", self._accuracies[stage].compute(), sync_dist=True)

    def _reset_stages(self) -> None:
        """Reset the sums, before they are used: `test` runs in inference mode, and tensors made there stay in it."""
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
        """Log the validation, and in a training also the training means, nan before the first iteration."""
        self._log_stages()
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            loss, accuracy = means(self._train_state())
            # Lightning would log the index of the last batch as the step; this is the number of iterations done.
            self.log("step", torch.tensor(self.global_step, dtype=torch.float64), sync_dist=True)
            self.log_dict({"train_loss": loss, "train_accuracy": accuracy}, sync_dist=True)
            self._train_means.reset()

    @override
    def on_test_epoch_end(self) -> None:
        self._log_stages()

    @override
    def on_train_start(self) -> None:
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, WarmupMultiStepLR):
            scheduler.set_epoch(self.trainer.num_training_batches, self.trainer.accumulate_grad_batches)
        if self.global_step == 0:
            self._train_means.reset()

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["train_means"] = self._train_state()

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # The first rank takes the sums of all ranks: only their total is used.
        if "train_means" in checkpoint:
            self._train_means.load(checkpoint["train_means"])
            if is_attached(self) and not self.trainer.is_global_zero:
                self._train_means.clear()


class ClassifierSteps:
    """Iterations of a classifier by compiled code.

    Args:
        steps: of its network.
        means: of its training.
    """

    def __init__(self, steps: feedforward.Steps, means: TrainMeans) -> None:
        self._steps, self._means = steps, means
        self.begin, self.end = steps.begin, steps.end

    def __call__(self, batch: Any) -> Tensor | None:
        """Train on images and labels; None where they are something else."""
        if (
            not isinstance(batch, list | tuple)
            or len(batch) != 2
            or not all(isinstance(each, Tensor) for each in batch)
        ):
            return None
        images, labels = batch
        found = self._steps(images, labels)
        if found is None:
            return None
        loss, logits = found
        value = logits.new_tensor(loss)
        self._means.add(value, logits, labels)
        return value
