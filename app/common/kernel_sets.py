"""Sets of kernels as files have them: by name, such as "cpu", what computed a training."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

KERNELS = "kernels"  # the entry of config.yaml, report.json and checkpoints
OTHERS = "other_kernels"  # in report.json: those of an earlier part of the training
LIBRARIES = "libraries"  # in a set: the versions of torch and its libraries
NONE = "none"  # what a set lacks that others have


def is_record(entry: Any) -> TypeGuard[list[Mapping[str, Any]]]:
    """Whether an entry of config.yaml or of a checkpoint is a list of sets."""
    return isinstance(entry, list) and bool(entry) and all(isinstance(each, Mapping) for each in entry)


def completed(all_sets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sets in the order of their first use, each with "none" for an entry that only earlier ones have."""
    found: list[dict[str, Any]] = []
    for each in all_sets:
        found.append({name: NONE for one in found for name in one} | dict(each))
    return found


def contradicts(before: Mapping[str, Any], now: Mapping[str, str]) -> bool:
    """Whether an entry differs; one that is only in `now` was not recorded yet, and does not."""
    return any(str(kernel) != now.get(name, NONE) for name, kernel in before.items())


def differences(before: Sequence[Mapping[str, Any]], now: Mapping[str, str]) -> str:
    """What differs, as "cpu: avx512f -> nothing; libraries: torch=2.11.0 -> torch=2.13.0".

    Args:
        before: sets in the order of their first use; each entry is compared as it was first recorded.
        now: the kernels of this process.
    """
    first = {name: kernel for each in reversed(before) for name, kernel in each.items()}
    told = []
    for name, kernel in sorted(first.items()):
        old, new = str(kernel).split(), now.get(name, NONE).split()
        if old != new:
            gone, come = ([word for word in one if word not in other] for one, other in ((old, new), (new, old)))
            told.append(f"{name}: {' '.join(gone) or 'nothing'} -> {' '.join(come) or 'nothing'}")
    return "; ".join(told) or "later, not at first"


def report_entries(now: Mapping[str, str], all_sets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The entries of a report.json.

    Args:
        now: the kernels of this process.
        all_sets: every set of kernels that the training was computed with.
    """
    others = [dict(each) for each in completed(all_sets) if contradicts(each, now)]
    return {KERNELS: dict(now)} | ({OTHERS: others} if others else {})
