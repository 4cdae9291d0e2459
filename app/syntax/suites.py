"""Reads SyntaxGym's suites (Gauthier et al. 2020): items in conditions, cut into regions, and predictions of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.common.errors import UserError
from app.common.text_files import read_json
from app.syntax.formulas import ALL, Formula, read_formula

SUFFIX = ".json"
METRICS = ("sum", "mean")


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite of items.

    Args:
        name: of the suite.
        metric: what a region's value is of the surprisal of its words: "sum" or "mean".
        predictions: what is expected of every item.
        items: for each item by condition the texts of its regions by number.
    """

    name: str
    metric: str
    predictions: tuple[Formula, ...]
    items: tuple[Mapping[str, Mapping[int, str]], ...]


def read_suites(path: Path) -> list[Suite]:
    """Read a suite, or those of a folder in the order of the names of their files.

    Raises:
        UserError: a file cannot be read or is no suite, or the folder has none.
    """
    files = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path}: no {SUFFIX} files there; expected SyntaxGym's suites")
    return [_suite(file) for file in files]


def _suite(path: Path) -> Suite:
    try:
        return _read(path, read_json(path))
    except UserError:  # says where, and what
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        missing = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"{path}: not a suite of SyntaxGym ({missing}); expected meta, predictions and items of conditions"
        ) from None


def _read(path: Path, value: Any) -> Suite:
    meta = value["meta"]
    metric = meta.get("metric", METRICS[0])
    if metric not in METRICS:
        raise UserError(f"{path}: its metric is {metric!r}; expected {' or '.join(METRICS)}")
    formulas = [prediction["formula"] for prediction in value["predictions"]]
    predictions = tuple(
        read_formula(str(formula), f"{path}, prediction {number}") for number, formula in enumerate(formulas)
    )
    items = tuple(dict(_conditions(item)) for item in value["items"])
    if not items or not predictions:
        raise UserError(f"{path}: has no {'predictions' if items else 'items'}")
    for number, item in enumerate(items, 1):
        for formula in predictions:
            for condition, region in formula.terms:
                if condition not in item:
                    raise UserError(f"{path}, item {number}: no condition {condition}")
                if region != ALL and region not in item[condition]:
                    raise UserError(f"{path}, item {number}: no region {region} of condition {condition}")
    return Suite(str(meta.get("name", path.stem)), metric, predictions, items)


def _conditions(item: Any) -> Iterator[tuple[str, dict[int, str]]]:
    for condition in item["conditions"]:
        regions = {int(region["region_number"]): str(region["content"]) for region in condition["regions"]}
        yield str(condition["condition_name"]), dict(sorted(regions.items()))
