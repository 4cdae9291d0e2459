"""jobs.json of a run directory: which job is to train which networks."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.text_files import read_json


def read_jobs(path: Path) -> dict[str, list[str]]:
    """The networks of every job that was submitted, by the job's number: their directories in the run directory.

    Raises:
        UserError: the file is not such a table.
    """
    if not path.exists():
        return {}
    try:
        found = read_json(path)
        return {str(job): [str(network) for network in networks] for job, networks in found.items()}
    except (ValueError, TypeError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{path}: not a table of jobs ({error}); delete it once none of its jobs waits or runs (squeue --me)"
        ) from None


def write_jobs(path: Path, jobs: Mapping[str, Sequence[str]]) -> None:
    """Write the table."""
    write_atomically(path, json.dumps(jobs, indent=1) + "\n")
