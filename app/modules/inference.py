"""How two formulas relate: one encoder for both, and a classifier of what it says of them."""

# B pairs, T tokens of the longest formula, E features of an embedding, H hidden units.

import math
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from rich.console import Console
from torch import Tensor, nn
from typing_extensions import override

from app.common.errors import UserError
from app.common.states import check_shapes
from app.modules.operator_accuracy import OperatorSums, operators_table
from app.nets import RecurrentNet
from app.nets.ragged import last_outputs

# Formulas (B, 2, T), lengths (B, 2), labels (B,), operators (B,).
Batch: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor]

STAGES = ("val", "test")
NEVER = 2**62


class InferenceClassifier(LightningModule):
    """The classifier of Shen et al. (2019, section 5.4) with their head and their dropout.

    Both formulas are read by the same net; h1 and h2, its outputs at their last tokens, make the features
    [h1; h2; h1 * h2; |h1 - h2|] of a perceptron. What fills a formula up to the length of others is never read.

    The first validation loader is logged as `val_loss`, `val_accuracy`, a second one as `test_loss`, `test_accuracy`;
    beside them `train_loss` and `train_accuracy`, means since the validation before. Of the test pairs are also logged,
    by number of operators, `accuracy_00`, `accuracy_01`, ... and `majority_00`, ..., the accuracy of who always answers
    with the relation that most of them have.

    Args:
        net: reads embeddings of its `input_size`.
        optimizer: makes the optimiser from the parameters.
        lr_scheduler: makes the learning-rate scheduler from the optimiser; it steps at the end of every validation, one
            that waits for a plateau by what it monitors of what is logged then.
        tokens: how many kinds of tokens there are, filling included.
        num_classes: number of relations.
        max_operators: the most operators that pairs are counted by.
        dropout: on embeddings, on the perceptron's input and on its hidden layer.

    Raises:
        UserError: a dropout that is no probability.
    """

    metric_names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy")

    def __init__(
        self,
        net: RecurrentNet,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
        tokens: int = 12,
        num_classes: int = 7,
        max_operators: int = 12,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise UserError(f"dropout is {dropout}; expected a probability in [0, 1)")
        hidden = net.output_size
        self.embedding = nn.Embedding(tokens, net.input_size)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        self.net = net
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(4 * hidden, hidden),
            nn.ELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self._sums = {stage: OperatorSums(max_operators + 1, num_classes) for stage in ("train", *STAGES)}
        self._prints = False

    @property
    def detail_names(self) -> list[str]:
        """What is logged beside `metric_names`: too much to tell in a line."""
        bins = range(self._sums["test"].bins)
        return [f"{kind}_{operators:02d}" for kind in ("accuracy", "majority") for operators in bins]

    @override
    def setup(self, stage: str) -> None:
        """Make sure that there is room for all kinds of tokens, relations and operators of the data.

        Raises:
            UserError: the data has more.
        """
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        for name, ours in (
            ("tokens", self.embedding.num_embeddings),
            ("num_classes", self._sums["test"].classes),
            ("max_operators", self._sums["test"].bins - 1),
        ):
            theirs = getattr(data, name, ours)
            if theirs > ours:
                raise UserError(f"{name} is {ours} and the data needs {theirs}; set model.init_args.{name} to {theirs}")

    @override
    def forward(self, formulas: Tensor, lengths: Tensor) -> Tensor:
        """How the formulas of some pairs relate.

        Args:
            formulas: integers (B, 2, T), numbers of tokens.
            lengths: int64 (B, 2), how many of them to read, 1 to T each.

        Returns:
            Logits (B, num_classes).
        """
        left, right = self.encode(formulas.flatten(0, 1), lengths.flatten()).view(len(formulas), 2, -1).unbind(1)
        logits: Tensor = self.head(torch.cat([left, right, left * right, (left - right).abs()], dim=1))
        return logits

    def encode(self, formulas: Tensor, lengths: Tensor) -> Tensor:
        """What the net puts out at the last token of each formula.

        Args:
            formulas: integers (B, T), numbers of tokens.
            lengths: int64 (B,), 1 to T each.

        Returns:
            (B, H).
        """
        tokens = formulas[:, : int(lengths.max())].t()
        return last_outputs(self.net, self.dropout(self.embedding(tokens.long())), lengths)

    @override
    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(self.parameters())
        if self.lr_scheduler is None:
            return optimizer
        scheduler = self.lr_scheduler(optimizer)
        # Lightning saves and loads it, but never steps: it would step a plateau's after the checkpoint of a validation
        # has been saved, and not at all in a training that goes on from there.
        monitor = getattr(scheduler, "monitor", "val_loss")
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "monitor": monitor, "interval": "epoch", "frequency": NEVER},
        }

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        formulas, lengths, labels, operators = batch
        logits = self(formulas, lengths)
        loss = F.cross_entropy(logits, labels)
        self._sums["train"].add(logits.detach(), labels, operators)
        return loss

    @override
    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        self._evaluate(batch, STAGES[dataloader_idx])

    @override
    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._evaluate(batch, "test")

    @override
    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Predicted relations, int64, (B,)."""
        classes: Tensor = self(batch[0], batch[1]).argmax(1)
        return classes

    def _evaluate(self, batch: Batch, stage: str) -> None:
        formulas, lengths, labels, operators = batch
        self._sums[stage].add(self(formulas, lengths), labels, operators)

    def _measured(self, stages: tuple[str, ...]) -> dict[str, float]:
        """What was found, over all ranks: of each stage that has seen any pair, and of the test pairs in detail."""
        found: dict[str, float] = {}
        for stage in stages:
            sums = self._sums[stage].over_ranks(self.trainer)
            if sums.pairs:
                found |= {f"{stage}_loss": sums.loss, f"{stage}_accuracy": sums.accuracy}
            if stage == "test":
                for operators in range(sums.bins):
                    accuracy, majority = sums.of(operators)
                    found |= {f"accuracy_{operators:02d}": accuracy, f"majority_{operators:02d}": majority}
        return {name: value for name, value in found.items() if not math.isnan(value)}

    def _log(self, found: dict[str, float]) -> None:
        values = {name: torch.tensor(value, dtype=torch.float64) for name, value in found.items()}
        self.log_dict(values, sync_dist=True)

    def _reset(self) -> None:
        for stage in STAGES:
            self._sums[stage].reset(self.device)

    @override
    def on_validation_epoch_start(self) -> None:
        self._reset()

    @override
    def on_validation_epoch_end(self) -> None:
        """Log the training means as well, begin new ones, and step the learning rate's scheduler."""
        fitting = self.trainer.state.fn == "fit" and not self.trainer.sanity_checking
        found = self._measured(("train", *STAGES) if fitting else STAGES)
        if not fitting:
            self._log(found)
            return
        # Lightning's own step is that of the last batch's index; ours is the number of iterations done.
        self._log({"step": self.global_step} | found)
        self._sums["train"].values.zero_()  # in place: one made while validating stays in inference mode
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            monitor = getattr(scheduler, "monitor", "val_loss")
            if monitor not in found:
                raise UserError(f"the scheduler monitors {monitor!r}; expected one of {', '.join(sorted(found))}")
            scheduler.step(found[monitor])
        elif isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler):
            scheduler.step()

    @override
    def on_test_epoch_start(self) -> None:
        self._reset()

    @override
    def on_test_start(self) -> None:
        """Lightning would print a list of everything; the table is printed instead."""
        self._prints, self.trainer.test_loop.verbose = self.trainer.test_loop.verbose, False

    @override
    def on_test_epoch_end(self) -> None:
        sums = self._sums["test"].over_ranks(self.trainer)
        self._log(self._measured(("test",)))
        if self._prints and self.trainer.is_global_zero:
            Console().print(operators_table(sums))

    @override
    def on_train_start(self) -> None:
        self._sums["train"].to(self.device)
        if self.global_step == 0:
            self._sums["train"].values.zero_()

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["train_sums"] = self._sums["train"].over_ranks(self.trainer).values

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        check_shapes(self.state_dict(), checkpoint["state_dict"])
        # The sums of all ranks go to the first one; only their total counts.
        if "train_sums" in checkpoint and (self._trainer is None or self.trainer.is_global_zero):
            self._sums["train"].values = checkpoint["train_sums"].to(self.device)
