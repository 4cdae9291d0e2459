"""What trainings came from: their report.json, and the table of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.common.errors import UserError
from app.common.kernel_sets import KERNELS, OTHERS
from app.common.text_files import read_json
from app.report.tables import NONE, Table
from app.runs.checksums import remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What one training came from, as its report.json has it.

    Args:
        seeds: of its random draws, by purpose; one with the name "seed" where one seed serves all.
        parameters: how many numbers the network has; None for a network of a lottery.
        density: share of weights remaining; None where nothing is pruned.
        threads: torch's.
        versions: by package.
        data: SHA-256 of what it was trained on, hex, by name.
        kernels: what computed it, such as the processor's instructions, by name; "A, then B" where a part of the
            training was computed with A; empty for trainings from before this was recorded.
        commit: of the checkout that trained; None where this is not recorded.
        stopped_at: the iteration at which a callback or the clock has stopped the training before its length; None if
            nothing has.
    """

    seeds: Mapping[str, int]
    parameters: int | None
    density: float | None
    threads: int
    versions: Mapping[str, str]
    data: Mapping[str, str]
    kernels: Mapping[str, str] = field(default_factory=dict)
    commit: str | None = None
    stopped_at: int | None = None


def read_provenance(path: Path) -> Provenance:
    """Read the report.json of a training by `fit`, or of a finished network of a lottery.

    Raises:
        UserError: the file is missing, or something else.
    """
    try:
        found = read_json(path)
        of_lottery = "seeds" in found
        return Provenance(
            seeds={
                name: int(seed) for name, seed in (found["seeds"] if of_lottery else {"seed": found["seed"]}).items()
            },
            parameters=None if of_lottery else int(found["parameters"]),
            density=float(found["density"]) if of_lottery else None,
            threads=int(found["threads"]),
            versions={name: str(version) for name, version in found["versions"].items()},
            kernels=_kernels(found),
            commit=None if found.get("commit") is None else str(found["commit"]),
            data={name: str(checksum) for name, checksum in found["checksums"]["data"].items()},
            stopped_at=_stopped_at(found),
        )
    except (ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
        why = " ".join(str(error).removeprefix(f"{path}: ").split())
        raise UserError(f"{path}: not the report of a training ({why}); {remedy(path)}") from None


def _kernels(found: Mapping[str, Any]) -> dict[str, str]:
    all_sets = [*found.get(OTHERS, []), found.get(KERNELS, {})]
    names = dict.fromkeys(name for each in reversed(all_sets) for name in each)
    return {name: ", then ".join(dict.fromkeys(str(each[name]) for each in all_sets if name in each)) for name in names}


def _stopped_at(found: Mapping[str, Any]) -> int | None:
    iterations = found.get("iterations")
    return None if found.get("complete", True) or iterations is None else int(iterations)


def provenance_table(made: Sequence[tuple[str, Provenance]], seeds: Sequence[tuple[str, str]] = ()) -> Table:
    """Threads, versions and checksums; where trainings differ in one, each value with the trainings that have it.

    Args:
        made: provenances, at least one, each with what it is called, such as "seed 0".
        seeds: rows about seeds, which come first.
    """
    whose = [name for name, _ in made]
    commits = [each.commit for _, each in made]
    versions = dict.fromkeys(name for _, each in made for name in each.versions)
    kernels = dict.fromkeys(name for _, each in made for name in each.kernels)
    data = dict.fromkeys(name for _, each in made for name in each.data)
    rows: list[tuple[str, ...]] = [
        *seeds,
        ("threads", _by_whom(whose, [str(each.threads) for _, each in made])),
        *([("commit", _by_whom(whose, [each.commit or NONE for _, each in made]))] if any(commits) else []),
        *((name, _by_whom(whose, [each.versions.get(name, NONE) for _, each in made])) for name in versions),
        *((name, _by_whom(whose, [each.kernels.get(name, NONE) for _, each in made])) for name in kernels),
        *((f"SHA-256 of {name}", _by_whom(whose, [each.data.get(name, NONE) for _, each in made])) for name in data),
    ]
    return Table(caption="what it was made with", header=("", ""), rows=rows, words=(0, 1))


def _by_whom(whose: Sequence[str], values: Sequence[str]) -> str:
    """What all have in common, or each value with those that have it: "2 (seed 0, 2); 1 (seed 1)"."""
    names: dict[str, dict[str, list[str]]] = {}
    for name, value in zip(whose, values, strict=True):
        noun, _, number = name.rpartition(" ")
        numbers = names.setdefault(value, {}).setdefault(noun, [])
        if number not in numbers:
            numbers.append(number)
    if len(names) == 1:
        return values[0]
    told = {
        value: ", ".join(f"{noun} {', '.join(numbers)}" for noun, numbers in nouns.items())
        for value, nouns in names.items()
    }
    return "; ".join(f"{value} ({some})" for value, some in told.items())
