"""The kernels that trained a run directory's networks, in its config.yaml: bits of results depend on them."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from app.common.errors import UserError
from app.common.kernel_sets import completed, contradicts, differences, is_record
from app.runs.layout import RunDirectory

log = logging.getLogger(__name__)

NONE_YET = "none yet"  # the entry of a directory that was made by a command that trains nothing, such as a launch


def with_kernels(run: RunDirectory, before: Any, now: Mapping[str, str], *, allowed: bool) -> Any:
    """The entry after a command has gone on with these kernels; other ones are told in a warning.

    An entry of a set that no set of the directory has was not recorded yet when they were used: it makes no difference.

    Args:
        run: the run directory.
        before: its entry, every set that was used, in the order of their first use; None or what was edited by hand
            into something else is left as it is, and a line says that nothing is compared.
        now: the kernels of this process (`app.common.used_kernels.kernels`).
        allowed: whether they may be other ones.

    Raises:
        UserError: they are, and may not.
    """
    if before == NONE_YET:
        return [dict(now)]
    if not is_record(before):
        log.info("%s has no record of the kernels that it was begun with, so they are not compared", run.root)
        return before
    check_kernels(f"{run.root} was begun", before, now, allowed=allowed)
    return before if dict(now) in before else [*before, dict(now)]


def check_kernels(what: str, before: Sequence[Mapping[str, Any]], now: Mapping[str, str], *, allowed: bool) -> None:
    """Warn if any of the sets are other kernels than those of this process, and refuse kernels that are in none.

    Args:
        what: was computed with them, such as "runs/mine was begun".
        before: every set that was used, in the order of their first use.
        now: the kernels of this process.
        allowed: whether they may be other ones.

    Raises:
        UserError: they are, and may not.
    """
    before = completed(before)
    if not any(contradicts(each, now) for each in before):
        return
    recorded = {name for each in before for name in each}
    known = any(not contradicts(each, now) and recorded.isdisjoint(now.keys() - each.keys()) for each in before)
    told = f"{what} with other kernels ({differences(before, now)}); bits of results may differ"
    if not known and not allowed:
        raise UserError(f"{told}: go on where it was begun, or add --allow_other_kernels true")
    warnings.warn(told, stacklevel=3)
