"""Which validation of a training is its best: that of best.ckpt, and that which status and report tell of."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from app.common.errors import UserError

Row = TypeVar("Row", bound=Mapping[str, Any])


@dataclass(frozen=True, kw_only=True)  # jsonargparse asks for its __dict__
class Best:
    """How validations are compared.

    Args:
        monitor: the column of metrics.csv that decides, logged at every validation.
        mode: whether less or more of it is better.
    """

    monitor: str = "val_loss"
    mode: Literal["min", "max"] = "min"

    def of(self, rows: Sequence[Row]) -> Row:
        """The best of some validations, the earliest on ties; the first where none has measured the column."""
        sign = 1 if self.mode == "min" else -1
        return min(rows, key=lambda row: math.inf if math.isnan(row[self.monitor]) else sign * row[self.monitor])

    @property
    def where(self) -> str:
        """Where the best is, as in "least val_loss"."""
        return f"{'least' if self.mode == 'min' else 'highest'} {self.monitor}"

    def check(self, columns: Sequence[str]) -> None:
        """Make sure that there is such a column.

        Raises:
            UserError: there is none.
        """
        if self.monitor not in columns:
            raise UserError(f"best.monitor is {self.monitor!r}; expected one of {', '.join(columns)}")


def configured_best(config: Mapping[str, Any]) -> Best:
    """What a configuration says.

    Args:
        config: of a training, as in its config.yaml.

    Raises:
        UserError: it says something else.
    """
    said = config.get("best", {})
    try:
        best = Best(**said)
    except TypeError:
        raise UserError(f"best is {said!r}; expected a monitor and a mode") from None
    if best.mode not in ("min", "max"):
        raise UserError(f"best.mode is {best.mode!r}; expected min or max")
    return best
