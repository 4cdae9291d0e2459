"""The kernels that trained a run directory's networks, in its config.yaml: bits of results depend on them."""

import warnings
from collections.abc import Mapping
from typing import Any

from app.common.errors import UserError
from app.runs.layout import RunDirectory

KERNELS = "kernels"  # the entry of config.yaml: every set that was used, in the order of their first use


def with_kernels(run: RunDirectory, before: Any, now: Mapping[str, str], *, allowed: bool) -> Any:
    """The entry after a command has gone on with these kernels; other ones are told in a warning.

    Args:
        run: the run directory.
        before: its entry; one that was edited by hand into something else is left as it is.
        now: the kernels of this process (`app.common.protocols.kernels`).
        allowed: whether they may be other ones.

    Raises:
        UserError: they are, and may not.
    """
    if not isinstance(before, list) or not before or not all(isinstance(each, Mapping) for each in before):
        return before
    if [dict(now)] == before:
        return before
    told = f"{run.root} was begun with other kernels ({_differences(before[0], now)}); bits of results may differ"
    if dict(now) not in before and not allowed:
        raise UserError(f"{told}: go on where it was begun, or add --allow_other_kernels true")
    warnings.warn(told, stacklevel=3)
    return before if dict(now) in before else [*before, dict(now)]


def _differences(before: Mapping[str, Any], now: Mapping[str, str]) -> str:
    """The words of each entry that are in one of the two only."""
    told = []
    for name in sorted(before.keys() | now.keys()):
        old, new = (str(each.get(name, "none")).split() for each in (before, now))
        if old != new:
            gone, come = ([word for word in one if word not in other] for one, other in ((old, new), (new, old)))
            told.append(f"{name}: {' '.join(gone) or 'nothing'} -> {' '.join(come) or 'nothing'}")
    return "; ".join(told) or "later, not at first"
