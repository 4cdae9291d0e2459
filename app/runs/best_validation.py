"""The choice of the best validation of a training, which best.ckpt, status and report follow."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from app.common.errors import UserError
from app.common.metrics import Schema
from app.runs.table import EARLY_STOP, FINAL, Result

Row = TypeVar("Row", bound=Mapping[str, Any])


@dataclass(frozen=True, kw_only=True)  # jsonargparse asks for its __dict__
class BestValidation:
    """The rule by which the best validation is chosen.

    Args:
        monitor: the column of metrics.csv that is compared, logged at every validation.
        mode: whether its minimum or its maximum is best.
    """

    monitor: str = "val_loss"
    mode: Literal["min", "max"] = "min"

    def of(self, rows: Sequence[Row]) -> Row:
        """The best of these validations, the earliest on ties; the first if none has a value in the column."""
        sign = 1 if self.mode == "min" else -1
        return min(rows, key=lambda row: math.inf if math.isnan(row[self.monitor]) else sign * row[self.monitor])

    def is_lower_bound(self, result: Result) -> bool:
        """Whether a longer training may have had its best validation later: the last was best, or the end is better.

        Args:
            result: of a network whose early stop these validations decided.
        """
        if result.iterations is not None and result.early_stop_iteration >= result.iterations:
            return True
        early, end = (result.value(f"{prefix}{self.monitor}") for prefix in (EARLY_STOP, FINAL))
        gain = early - end if self.mode == "min" else end - early
        # Rows from before the column `iterations` have the last validation as the end.
        return gain > 0 or (gain == 0 and result.iterations is None)

    @property
    def where(self) -> str:
        """The rule in words, such as "least val_loss"."""
        return f"{'least' if self.mode == 'min' else 'highest'} {self.monitor}"

    def check(self, columns: Sequence[str]) -> None:
        """Check that the column exists.

        Raises:
            UserError: it does not.
        """
        if self.monitor not in columns:
            raise UserError(f"best.monitor is {self.monitor!r}; expected one of {', '.join(columns)}")

    def check_direction(self, schema: Schema) -> None:
        """Check that the rule does not choose the worst validation.

        Args:
            schema: of the module; of a metric that it does not declare the direction is inferred from the name.

        Raises:
            UserError: a metric is better in the other direction.
        """
        metric = schema[self.monitor]
        if metric.better != "neither" and metric.mode != self.mode:
            raise UserError(
                f"best.mode is {self.mode} and best.monitor is {self.monitor}, which is better the {metric.better}; "
                f"add --best.mode {metric.mode}"
            )


def configured_best(config: Mapping[str, Any]) -> BestValidation:
    """The rule in a configuration.

    Args:
        config: the configuration of a training, as in its config.yaml.

    Raises:
        UserError: `best` in the configuration is invalid.
    """
    said = config.get("best", {})
    try:
        best = BestValidation(**said)
    except TypeError:
        raise UserError(f"best is {said!r}; expected a monitor and a mode") from None
    if best.mode not in ("min", "max"):
        raise UserError(f"best.mode is {best.mode!r}; expected min or max")
    return best
