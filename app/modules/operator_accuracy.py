"""Losses and accuracies of the inference task by number of operators, and their table."""

import torch
import torch.nn.functional as F
from lightning.pytorch import Trainer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from torch import Tensor

# B pairs, C classes. Columns of the sums: nats, correct answers, and the number of pairs of each class.
NATS, RIGHT, CLASSES = 0, 1, 2


class OperatorSums:
    """Summed losses, correct answers and labels by number of operators, over the pairs since the last reset.

    In float64, so that a mean does not depend on how a set was cut into batches. Not a buffer of a module: buffers
    follow the precision of the weights, and DDP overwrites them with the first rank's.

    Args:
        bins: one more than the largest number of operators of a pair.
        classes: C.
    """

    def __init__(self, bins: int, classes: int) -> None:
        self.values = torch.zeros(bins, CLASSES + classes, dtype=torch.float64)

    def reset(self, device: torch.device) -> None:
        """Set the sums to zero. Makes a new tensor, because one made while testing remains an inference tensor."""
        self.values = torch.zeros_like(self.values, device=device)

    def to(self, device: torch.device) -> None:
        """Move the sums to another device."""
        self.values = self.values.to(device)

    def add(self, logits: Tensor, labels: Tensor, operators: Tensor) -> None:
        """Add a batch.

        Args:
            logits: (B, C), without gradient.
            labels: int64 (B,).
            operators: int64 (B,).
        """
        losses = F.cross_entropy(logits, labels, reduction="none").double()
        right = (logits.argmax(1) == labels).double()
        seen = F.one_hot(labels, self.classes).double()
        self.values += F.one_hot(operators, self.bins).double().t() @ torch.cat(
            [torch.stack([losses, right], 1), seen], 1
        )

    def over_ranks(self, trainer: Trainer) -> "OperatorSums":
        """The sums over all ranks."""
        whole = OperatorSums(self.bins, self.classes)
        whole.values = trainer.strategy.reduce(self.values.clone(), reduce_op="sum")
        return whole

    @property
    def classes(self) -> int:
        """C."""
        return self.values.shape[1] - CLASSES

    @property
    def bins(self) -> int:
        """The number of rows: one for each number of operators, 0 included."""
        return len(self.values)

    @property
    def pairs(self) -> int:
        """The number of pairs added."""
        return int(self.values[:, CLASSES:].sum())

    @property
    def loss(self) -> float:
        """Mean over all pairs, in nats; nan without any."""
        return float(self.values[:, NATS].sum() / self.values[:, CLASSES:].sum())

    @property
    def accuracy(self) -> float:
        """Accuracy over all pairs, a fraction of 1; nan without any."""
        return float(self.values[:, RIGHT].sum() / self.values[:, CLASSES:].sum())

    def of(self, operators: int) -> tuple[float, float]:
        """Accuracy over the pairs of a number of operators, and that of always predicting their most frequent label.

        Returns:
            Fractions of 1; nan without any such pair.
        """
        row = self.values[operators]
        pairs = row[CLASSES:].sum()
        return float(row[RIGHT] / pairs), float(row[CLASSES:].max() / pairs)


def operators_table(sums: OperatorSums) -> Table:
    """Accuracy and majority baseline by number of operators, for the terminal."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("operators", "pairs", "accuracy %", "majority %"):
        table.add_column(name, justify="right")
    for operators in range(sums.bins):
        if pairs := int(sums.values[operators, CLASSES:].sum()):
            cells = [f"{100 * fraction:.2f}" for fraction in sums.of(operators)]
            table.add_row(str(operators), f"{pairs:,}", *cells, end_section=operators == sums.bins - 1)
    labels = sums.values[:, CLASSES:].sum(0)
    majority = float(labels.max() / labels.sum())
    table.add_row("all", f"{sums.pairs:,}", f"{100 * sums.accuracy:.2f}", f"{100 * majority:.2f}")
    return table
