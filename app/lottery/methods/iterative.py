"""Iterative pruning (Frankle & Carbin, section 2), with rewinding to any moment (Frankle et al. 2020)."""

from app.common.errors import UserError
from app.lottery.methods.chain import Chain
from app.pruning import When


class Iterative(Chain):
    """Prune the network of the round before a little, and rewind the survivors.

    Args:
        rewind_to: the iteration to rewind to, such as "500it", in place of the lottery's; it becomes part of the name:
            `iterative_500it`. So one lottery compares moments.

    Raises:
        UserError: `rewind_to` is no number of iterations.
    """

    name = "iterative"
    label = "iterative"
    note = "pruned a little every round, the survivors rewound"

    def __init__(self, rewind_to: str | None = None) -> None:
        super().__init__()
        if rewind_to is None:
            return
        self.rewinds_to = When.parse(rewind_to)
        if self.rewinds_to.unit != "it":
            raise UserError(f"iterative: rewind_to is {rewind_to}; give a number of iterations, such as 500it")
        self.name, self.label = f"iterative_{rewind_to}", f"iterative, rewound to {rewind_to}"
        self.note = f"{self.note} to iteration {self.rewinds_to.count}"
