"""Sums by number of operators, which accuracies and means of the inference task are made of."""

import torch
import torch.nn.functional as F
from lightning.pytorch import Trainer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from torch import Tensor

# C classes. Columns: nats, right answers, and how many pairs there were of each class.
NATS, RIGHT, CLASSES = 0, 1, 2


class OperatorSums:
    """Losses, right answers and labels of the pairs seen since some moment, by their number of operators.

    In float64, so that a mean does not depend on how a set was cut. Not a buffer of a module: those follow the
    precision of the weights, and DDP overwrites them with the first rank's.

    Args:
        bins: pairs have fewer operators than so many.
        classes: C.
    """

    def __init__(self, bins: int, classes: int) -> None:
        self.values = torch.zeros(bins, CLASSES + classes, dtype=torch.float64)

    def reset(self, device: torch.device) -> None:
        """Begin new sums. A new tensor, because one made while testing stays in inference mode."""
        self.values = torch.zeros_like(self.values, device=device)

    def to(self, device: torch.device) -> None:
        """Go on on another device."""
        self.values = self.values.to(device)

    def add(self, logits: Tensor, labels: Tensor, operators: Tensor) -> None:
        """Take in a batch.

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
        """The sums of all ranks together."""
        whole = OperatorSums(self.bins, self.classes)
        whole.values = trainer.strategy.reduce(self.values.clone(), reduce_op="sum")
        return whole

    @property
    def classes(self) -> int:
        """C."""
        return self.values.shape[1] - CLASSES

    @property
    def bins(self) -> int:
        """How many numbers of operators there are, 0 included."""
        return len(self.values)

    @property
    def pairs(self) -> int:
        """How many pairs were seen."""
        return int(self.values[:, CLASSES:].sum())

    @property
    def loss(self) -> float:
        """Mean over all pairs, in nats; nan without any."""
        return float(self.values[:, NATS].sum() / self.values[:, CLASSES:].sum())

    @property
    def accuracy(self) -> float:
        """Of all pairs, a fraction of 1; nan without any."""
        return float(self.values[:, RIGHT].sum() / self.values[:, CLASSES:].sum())

    def of(self, operators: int) -> tuple[float, float]:
        """Accuracy, and that of who always answers with the most frequent label, by number of operators.

        Returns:
            Fractions of 1; nan without any pair.
        """
        row = self.values[operators]
        pairs = row[CLASSES:].sum()
        return float(row[RIGHT] / pairs), float(row[CLASSES:].max() / pairs)


def operators_table(sums: OperatorSums) -> Table:
    """Accuracy by number of operators beside the majority's, for the terminal."""
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
