"""Metrics and their schema, which tables, figures, W&B, plan and status follow."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from app.common.errors import UserError

Direction = Literal["lower", "higher", "neither"]
Axis = Literal["linear", "log", "error"]

# What the names of metrics that are measured once, before the training, begin with; they are columns of results.csv.
SUPERMASK = "supermask_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One quantity that a module logs at every validation.

    Args:
        name: the name under which it is logged: its column in metrics.csv, and in results.csv after `early_stop_` or
            `final_`. One that begins with `supermask_` is measured once, before the training, and is a column of
            results.csv as it is.
        label: its name in sentences and on axes; made from `name` if it is empty.
        better: the direction of improvement.
        unit: written after its values, such as "%" or "nats".
        scale: the factor by which values are multiplied before they are written: 100 for a fraction in per cent.
        decimals: the number of decimals that are written.
        least: its least possible value.
        greatest: its greatest possible value.
        axis: its axis in figures: "linear", "log", or "error", which is logarithmic in the distance from `greatest`.
        detail: whether it is only recorded, and omitted from progress lines and overview tables.
    """

    name: str
    label: str = ""
    better: Direction = "neither"
    unit: str = ""
    scale: float = 1.0
    decimals: int = 4
    least: float = -math.inf
    greatest: float = math.inf
    axis: Axis = "linear"
    detail: bool = False

    @property
    def title(self) -> str:
        """The label, or the name in words if there is no label."""
        return self.label or self.name.replace("_", " ").replace("/", " ").capitalize()

    @property
    def heading(self) -> str:
        """The title with the unit, for axes and tables: "Test accuracy (%)"."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def mode(self) -> Literal["min", "max"]:
        """The direction as Lightning's callbacks name it; "min" if there is none."""
        return "max" if self.better == "higher" else "min"

    def number(self, value: float) -> str:
        """A value without its unit: "1,046.31"; a dash for nan."""
        return "\N{EN DASH}" if math.isnan(value) else f"{self.scale * value:,.{self.decimals}f}"

    def write(self, value: float) -> str:
        """A value with its unit: "54.5 %"."""
        return f"{self.number(value)} {self.unit}".rstrip()

    def holds(self, value: float) -> bool:
        """Whether a value is possible; nan, which means "not measured", is possible."""
        return math.isnan(value) or self.least <= value <= self.greatest


def loss(name: str, label: str = "", *, detail: bool = False) -> Metric:
    """A loss in nats: lower is better, at least 0."""
    return Metric(name=name, label=label, better="lower", unit="nats", least=0.0, detail=detail)


def accuracy(name: str, label: str = "", *, detail: bool = False) -> Metric:
    """A fraction of 1, written in per cent: higher is better."""
    return Metric(
        name=name,
        label=label,
        better="higher",
        unit="%",
        scale=100.0,
        decimals=2,
        least=0.0,
        greatest=1.0,
        axis="error",
        detail=detail,
    )


def perplexity(name: str, label: str = "", *, detail: bool = False) -> Metric:
    """e to the power of a loss: lower is better, at least 1, on a logarithmic axis."""
    return Metric(name=name, label=label, better="lower", decimals=2, least=1.0, axis="log", detail=detail)


def percentage(name: str, label: str = "", *, detail: bool = False) -> Metric:
    """A score that is logged in per cent, such as an F1: higher is better."""
    return Metric(
        name=name, label=label, better="higher", unit="%", decimals=1, least=0.0, greatest=100.0, detail=detail
    )


_BY_NAME: tuple[tuple[str, Any], ...] = (
    (r"uf1_layer_\d+(?:_\w+)?", percentage),
    (r"(?:.*[_/])?(?:perplexity|ppl)(?:[_/].*)?", perplexity),
    (r"(?:.*[_/])?(?:accuracy|acc)(?:[_/].*)?", accuracy),
)


def infer_metric(name: str) -> Metric:
    """Infer an undeclared metric (of a user's module, or of a run directory without a schema) from its name.

    Accuracies, perplexities and UF1 are recognised by their names. Other names give at most a direction: lower for a
    loss or an error, higher for a score. A range is assumed only for those three.
    """
    for pattern, make in _BY_NAME:
        if re.fullmatch(pattern, name):
            return make(name)  # type: ignore[no-any-return]
    words = set(re.split(r"[_/.\-\s]+", name.lower()))
    if words & {"loss", "nll", "error", "err", "mse", "mae", "rmse", "bpc", "bpd"}:
        return Metric(name=name, better="lower")
    if words & {"f1", "uf1", "score", "auc", "auroc", "precision", "recall", "iou", "bleu", "map", "psnr", "ssim"}:
        return Metric(name=name, better="higher")
    return Metric(name=name)


def described(schema: "Schema", names: Iterable[str]) -> "Schema":
    """The metrics of some columns.

    A column that is not declared gets a label in words. One that has the name of another and a suffix, as `val_loss_x`
    beside `val_loss`, is a variant of it and counts as a detail.

    Args:
        schema: what is declared; it infers the others.
        names: the columns.
    """
    names = list(names)
    return Schema(schema[name] if name in schema else _inferred(schema[name], names) for name in names)


def _inferred(metric: Metric, names: Iterable[str]) -> Metric:
    words = metric.title
    if words.startswith("Val "):
        words = f"Validation {words.removeprefix('Val ')}"
    variant = any(metric.name.startswith(f"{other}_") for other in names)
    return replace(metric, label=words, detail=metric.detail or variant)


def headline_metrics(metrics: Iterable[Metric]) -> list[Metric]:
    """The metrics that stand for a network in a line, a table or a figure against density.

    Those of the test set (by their names), else of the validation set, else all but train's; of these those where
    higher is better, else perplexities, else where lower is better, else all. Details and train metrics never are.
    """
    overview = [metric for metric in metrics if not metric.detail]
    tested = [metric for metric in overview if metric.name.startswith("test_")]
    validated = [metric for metric in overview if metric.name.startswith("val_")]
    candidates = tested or validated or [metric for metric in overview if not metric.name.startswith("train")]
    for chosen in (
        [metric for metric in candidates if metric.better == "higher"],
        [metric for metric in candidates if metric.axis == "log"],
        [metric for metric in candidates if metric.better == "lower"],
    ):
        if chosen:
            return chosen
    return candidates


class Schema(dict[str, Metric]):
    """Metrics by name, in the order of their declaration; a name that is not declared is inferred."""

    def __init__(self, metrics: Iterable[Metric] = ()) -> None:
        super().__init__((metric.name, metric) for metric in metrics)

    def __missing__(self, name: str) -> Metric:
        return infer_metric(name)

    def write(self, values: Mapping[str, float]) -> str:
        """Values in one line, each with its name and unit; those that were not measured (nan) are left out."""
        return " · ".join(
            f"{name} {self[name].write(value)}" for name, value in values.items() if not math.isnan(value)
        )

    def plain(self) -> list[dict[str, Any]]:
        """The metrics as plain values for a file, without values that are the default."""
        default = {field.name: field.default for field in fields(Metric)}
        return [
            {name: value for name, value in asdict(metric).items() if name == "name" or value != default[name]}
            for metric in self.values()
        ]

    @classmethod
    def from_plain(cls, rows: Iterable[Mapping[str, Any]], source: str) -> "Schema":
        """The inverse of `plain`.

        Args:
            rows: plain values.
            source: where they are from, for the error message.

        Raises:
            UserError: the values are not a schema.
        """
        try:
            return cls(Metric(**row) for row in rows)
        except TypeError as error:
            raise UserError(f"{source}: not a schema of metrics ({error}); was it edited by hand?") from None
