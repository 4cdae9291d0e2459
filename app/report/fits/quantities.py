"""The columns of a training's metrics.csv that reports speak of: what they are called, and how they are written."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from app.plotting.style import plural
from app.runs.best_validation import Best

VAL_LOSS = "val_loss"
PERCENT = 100.0  # the greatest value of UF1, which is logged in per cent
LAYER = re.compile(r"uf1_layer_(\d+)")
OPERATORS = re.compile(r"(accuracy|majority)_(\d{2,})")  # of test pairs with so many operators


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One column.

    Args:
        column: its name in the file.
        name: what it is called in sentences and on axes.
        decimals: how many are written.
        rises: whether more of it is better.
        unit: after its values.
        percent: what a value is multiplied by to be written.
        least: its least value.
        greatest: its greatest.
        expected: these in words.
    """

    column: str
    name: str
    decimals: int
    rises: bool = False
    unit: str = ""
    percent: float = 1.0
    least: float = 0.0
    greatest: float = 1e300
    expected: str = "a number from 0 up"

    @property
    def heading(self) -> str:
        """What it is called on an axis or above a table, with its unit."""
        return self.name + (" (%)" if self.unit else "")

    def number(self, value: float) -> str:
        """A value without its unit: 1,046.31; a dash for nan."""
        return "\N{EN DASH}" if math.isnan(value) else f"{self.percent * value:,.{self.decimals}f}"

    def write(self, value: float) -> str:
        """A value with its unit: 54.5 %."""
        return self.number(value) + self.unit


def fraction(column: str, name: str) -> Quantity:
    """A fraction of 1, written in per cent."""
    return Quantity(
        column=column,
        name=name,
        decimals=2,
        rises=True,
        unit=" %",
        percent=100.0,
        greatest=1.0,
        expected="a fraction of 1",
    )


LOSSES = [
    Quantity(column=VAL_LOSS, name="Validation loss", decimals=4),
    Quantity(column="train_loss", name="Train loss", decimals=4),
]
PERPLEXITY = Quantity(
    column="val_perplexity", name="Validation perplexity", decimals=2, least=1.0, expected="a number from 1 up"
)
VAL_ACCURACY = fraction("val_accuracy", "Validation accuracy")
TEST_ACCURACY = fraction("test_accuracy", "Test accuracy")
KNOWN = {each.column: each for each in (*LOSSES, PERPLEXITY, VAL_ACCURACY, TEST_ACCURACY)}


def quantity(column: str) -> Quantity | None:
    """What a column is, None where reports have no use for it."""
    if match := LAYER.fullmatch(column):
        return Quantity(
            column=column,
            name=f"UF1, layer {int(match[1])}",
            decimals=1,
            rises=True,
            unit=" %",
            greatest=PERCENT,
            expected="a percentage",
        )
    if match := OPERATORS.fullmatch(column):
        return fraction(column, f"{match[1].capitalize()}, {plural(int(match[2]), 'operator')}")
    return KNOWN.get(column)


def tabled(columns: Iterable[str]) -> list[Quantity]:
    """What of some columns stands in tables: perplexity and accuracies, UF1 by layer, losses."""
    there = set(columns)
    first = [each for each in (PERPLEXITY, VAL_ACCURACY, TEST_ACCURACY) if each.column in there]
    return [*first, *layers(there), *(each for each in LOSSES if each.column in there)]


def layers(columns: Iterable[str]) -> list[Quantity]:
    """UF1 by layer, the lowest first."""
    numbers = sorted((int(match[1]), column) for column in columns if (match := LAYER.fullmatch(column)))
    return [known for _, column in numbers if (known := quantity(column))]


def main_quantity(columns: Iterable[str]) -> Quantity:
    """What the training lowers: perplexity, or the loss where there is none."""
    return PERPLEXITY if PERPLEXITY.column in set(columns) else KNOWN[VAL_LOSS]


def where_best(best: Best) -> str:
    """Where the best validation is, as in "the validation loss is least"."""
    known = quantity(best.monitor)
    name = f"the {known.name[0].lower()}{known.name[1:]}" if known else best.monitor
    return f"{name} is {'least' if best.mode == 'min' else 'highest'}"
