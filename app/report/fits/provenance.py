"""What a training by `fit` came from: its report.json."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.common.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What one training came from, as its report.json has it.

    Args:
        seed: of all its random draws.
        parameters: how many numbers the network has.
        threads: torch's.
        versions: by package.
        data: SHA-256 of what it was trained on, hex, by name.
    """

    seed: int
    parameters: int
    threads: int
    versions: dict[str, str]
    data: dict[str, str]


def read_provenance(path: Path) -> Provenance:
    """Seed, size, versions and checksums.

    Raises:
        UserError: the file is missing, or not what `fit` wrote.
    """
    try:
        found: Any = json.loads(path.read_text())
        return Provenance(
            seed=int(found["seed"]),
            parameters=int(found["parameters"]),
            threads=int(found["threads"]),
            versions={name: str(version) for name, version in found["versions"].items()},
            data={name: str(checksum) for name, checksum in found["checksums"]["data"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: not the report of a training by fit ({' '.join(str(error).split())}); was it edited by hand?"
        ) from None
