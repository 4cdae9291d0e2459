"""report.json of a finished network of a lottery."""

import json
from typing import Any

from app.common.errors import UserError
from app.runs.layout import TrainingLayout


def read_report(files: TrainingLayout) -> dict[str, Any]:
    """The report of a finished network, with "checksums" by name.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        report = json.loads(files.report.read_text())
        if not isinstance(report["checksums"], dict):
            raise TypeError(f"checksums is {report['checksums']!r}")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged_report(files, error) from None
    return dict(report)


def damaged_report(files: TrainingLayout, error: Exception) -> UserError:
    """The error for a report that does not hold what it should."""
    why = " ".join(str(error).split())
    return UserError(
        f"{files.report}: not the report of a finished network ({why}); delete {files.report}, and the lottery's "
        "command trains this network again"
    )
