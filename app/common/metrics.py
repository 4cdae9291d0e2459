"""What a module measures: the schema that tables, figures, W&B, plan and status follow."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from app.common.errors import UserError

Direction = Literal["lower", "higher", "neither"]
Axis = Literal["linear", "log", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One quantity that a module logs at every validation.

    Args:
        name: as it is logged; the column of metrics.csv, and of results.csv behind `early_stop_` or `final_`.
        label: what it is called in sentences and on axes; made from the name where it is empty.
        better: which direction is an improvement.
        unit: written after its values, such as "%" or "nats".
        scale: what a value is multiplied by to be written: 100 for a fraction that is written in per cent.
        decimals: how many are written.
        least: its least possible value.
        greatest: its greatest possible value.
        axis: how figures scale it: "linear", "log", or "error", which is logarithmic in the distance from `greatest`.
        detail: whether it is recorded only, and left out of progress lines and overview tables.
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
        """The label, or the name in words."""
        return self.label or self.name.replace("_", " ").replace("/", " ").capitalize()

    @property
    def heading(self) -> str:
        """The title with the unit, for axes and tables: "Test accuracy (%)"."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def mode(self) -> Literal["min", "max"]:
        """The direction as Lightning's callbacks name it; "min" where there is none."""
        return "max" if self.better == "higher" else "min"

    def number(self, value: float) -> str:
        """A value without its unit: "1,046.31"; a dash for nan."""
        return "\N{EN DASH}" if math.isnan(value) else f"{self.scale * value:,.{self.decimals}f}"

    def write(self, value: float) -> str:
        """A value with its unit: "54.5 %"."""
        return f"{self.number(value)} {self.unit}".rstrip()

    def holds(self, value: float) -> bool:
        """Whether a value is possible; nan, which stands for "not measured", is."""
        return math.isnan(value) or self.least <= value <= self.greatest


def loss(name: str, label: str = "", *, detail: bool = False) -> Metric:
    """A loss in nats: lower is better, 0 is the least."""
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
    """e to a loss: lower is better, 1 is the least, drawn on a logarithmic axis."""
    return Metric(name=name, label=label, better="lower", decimals=2, least=1.0, axis="log", detail=detail)


def percentage(name: str, label: str = "", *, detail: bool = False) -> Metric:
    """A score that is logged in per cent, such as an F1: higher is better."""
    return Metric(
        name=name, label=label, better="higher", unit="%", decimals=1, least=0.0, greatest=100.0, detail=detail
    )


_BY_NAME: tuple[tuple[str, Any], ...] = (
    (r"uf1_layer_\d+", percentage),
    (r"(?:.*[_/])?(?:perplexity|ppl)(?:[_/].*)?", perplexity),
    (r"(?:.*[_/])?(?:accuracy|acc)(?:[_/].*)?", accuracy),
)


def infer_metric(name: str) -> Metric:
    """A metric that nobody has declared, by its name: a user's module, or a run directory without a schema.

    An accuracy, a perplexity and UF1 are known by their names. Other names tell at most a direction: lower for a loss
    or an error, higher for a score. No range is assumed but for those three.
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


class Schema(dict[str, Metric]):
    """Metrics by name, in the order of their declaration; a name that is not declared is inferred."""

    def __init__(self, metrics: Iterable[Metric] = ()) -> None:
        super().__init__((metric.name, metric) for metric in metrics)

    def __missing__(self, name: str) -> Metric:
        return infer_metric(name)

    def plain(self) -> list[dict[str, Any]]:
        """As plain values, without what is default: for a file."""
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
            source: where they are from, for the error.

        Raises:
            UserError: they are something else.
        """
        try:
            return cls(Metric(**row) for row in rows)
        except TypeError as error:
            raise UserError(f"{source}: not a schema of metrics ({error}); was it edited by hand?") from None
