"""Logical inference: one encoder reads both formulas of a pair, a classifier predicts how they relate."""

# B pairs, T tokens of the longest formula, E features of an embedding, H hidden units.

import math
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from typing_extensions import override

from app.common import metrics, protocols
from app.common.errors import UserError
from app.common.lightning_internals import is_attached
from app.common.metrics import Metric
from app.common.states import check_shapes
from app.common.tables import print_table
from app.modules.operator_accuracy import OperatorSums, operators_table
from app.modules.validation_scheduler import step_scheduler, with_scheduler
from app.nets import RecurrentNet
from app.nets.ragged import last_outputs

# Formulas (B, 2, T), lengths (B, 2), labels (B,), operators (B,).
Batch: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor]

STAGES = ("val", "test")


class InferenceClassifier(LightningModule):
    """The classifier of Shen et al. (2019, section 5.4) with their head and their dropout.

    Both formulas are read by the same net; its outputs at their last tokens, h1 and h2, make the features
    [h1; h2; h1 * h2; |h1 - h2|] that a perceptron classifies. Padding is never read.

    The first validation loader is logged as `val_loss`, `val_accuracy`, a second one as `test_loss`, `test_accuracy`;
    `train_loss` and `train_accuracy` are means since the last validation. For the test pairs, the accuracy is also
    logged by number of operators, as `accuracy_00`, `accuracy_01`, ..., and beside it, as `majority_00`, ..., the
    accuracy of always predicting the most frequent relation.

    Args:
        net: reads embeddings of its `input_size`.
        optimizer: makes the optimiser from the parameters.
        lr_scheduler: makes the learning-rate scheduler from the optimiser; it steps at the end of every validation. A
            plateau scheduler monitors one of the metrics logged then.
        tokens: number of different tokens, padding included.
        num_classes: number of relations.
        max_operators: the largest number of operators of a pair.
        dropout: on embeddings, on the perceptron's input and on its hidden layer.

    Raises:
        UserError: a dropout outside [0, 1).
    """

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
    def metric_schema(self) -> list[Metric]:
        """All metrics that are logged: those of a progress line, then the details by number of operators."""
        return [
            metrics.loss("train_loss", "Train loss"),
            metrics.accuracy("train_accuracy", "Train accuracy"),
            metrics.loss("val_loss", "Validation loss"),
            metrics.accuracy("val_accuracy", "Validation accuracy"),
            metrics.loss("test_loss", "Test loss"),
            metrics.accuracy("test_accuracy", "Test accuracy"),
            *(
                metrics.accuracy(f"{kind}_{n:02d}", f"{kind.capitalize()}, {n} operator{'s' * (n != 1)}", detail=True)
                for kind in ("accuracy", "majority")
                for n in range(self._sums["test"].bins)
            ),
        ]

    def reset_parameters(self) -> None:
        """Draw all parameters afresh from torch's global generator: the embedding from U(-0.1, 0.1)."""
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        self.net.reset_parameters()
        protocols.reset_parameters(self.head)

    @override
    def setup(self, stage: str) -> None:
        """Check that the module is large enough for the tokens, relations and operators of the data.

        Raises:
            UserError: the data has more of one of them.
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
        """Predict the relations of pairs of formulas.

        Args:
            formulas: integers (B, 2, T), token ids.
            lengths: int64 (B, 2), how many tokens of each formula to read, 1 to T.

        Returns:
            Logits (B, num_classes).
        """
        left, right = self.encode(formulas.flatten(0, 1), lengths.flatten()).view(len(formulas), 2, -1).unbind(1)
        logits: Tensor = self.head(torch.cat([left, right, left * right, (left - right).abs()], dim=1))
        return logits

    def encode(self, formulas: Tensor, lengths: Tensor) -> Tensor:
        """Encode formulas as the net's output at their last token.

        Args:
            formulas: integers (B, T), token ids.
            lengths: int64 (B,), 1 to T each.

        Returns:
            (B, H).
        """
        tokens = formulas[:, : int(lengths.max())].t()
        return last_outputs(self.net, self.dropout(self.embedding(tokens.long())), lengths)

    @override
    def configure_optimizers(self) -> Any:
        return with_scheduler(self.optimizer(self.parameters()), self.lr_scheduler)

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
        """The metrics over all ranks: of each stage that has seen a pair, and of the test pairs by operators."""
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
        """Log the validation, and in a training also the training means; then step the learning-rate scheduler."""
        fitting = self.trainer.state.fn == "fit" and not self.trainer.sanity_checking
        found = self._measured(("train", *STAGES) if fitting else STAGES)
        if not fitting:
            self._log(found)
            return
        # Lightning would log the index of the last batch as the step; this is the number of iterations done.
        self._log({"step": self.global_step} | found)
        self._sums["train"].values.zero_()  # in place: a tensor made while validating is an inference tensor

        def value_of(monitor: str) -> float:
            if monitor not in found:
                raise UserError(f"the scheduler monitors {monitor!r}; expected one of {', '.join(sorted(found))}")
            return found[monitor]

        step_scheduler(self, value_of)

    @override
    def on_test_epoch_start(self) -> None:
        self._reset()

    @override
    def on_test_start(self) -> None:
        """Print a table at the end instead of Lightning's list of all metrics."""
        self._prints, self.trainer.test_loop.verbose = self.trainer.test_loop.verbose, False

    @override
    def on_test_epoch_end(self) -> None:
        sums = self._sums["test"].over_ranks(self.trainer)
        self._log(self._measured(("test",)))
        if self._prints and self.trainer.is_global_zero:
            print_table(operators_table(sums))

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
        # The first rank takes the sums of all ranks: only their total is used.
        if "train_sums" in checkpoint and (not is_attached(self) or self.trainer.is_global_zero):
            self._sums["train"].values = checkpoint["train_sums"].to(self.device)
