"""report.json of a finished network of a lottery."""

from typing import Any

from app.common.errors import UserError
from app.common.printing import one_line
from app.common.text_files import read_json
from app.runs.layout import TrainingLayout


def read_report(files: TrainingLayout) -> dict[str, Any]:
    """The report of a finished network, with "checksums" by name.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        report = read_json(files.report)
        if not isinstance(report["checksums"], dict):
            raise TypeError(f"checksums is {report['checksums']!r}")
    except (ValueError, KeyError, TypeError) as error:
        raise damaged_report(files, error) from None
    return dict(report)


def damaged_report(files: TrainingLayout, error: Exception) -> UserError:
    """The error for a report that does not hold what it should."""
    why = one_line(error).removeprefix(f"{files.report}: ")
    return UserError(
        f"{files.report}: not the report of a finished network ({why}); delete {files.report}, and the lottery's "
        "command trains this network again"
    )
