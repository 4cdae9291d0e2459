"""Where the results of a W&B run come from, besides its configuration: versions, commit, command, seeds, checksums."""

import os
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule

from app.common import protocols
from app.runs.provenance import commit, versions

# A sweep's agent starts a command for the run that it has made, and says so in these variables.
SWEEP, SWEEPS_RUN = "WANDB_SWEEP_ID", "WANDB_RUN_ID"


def run_facts(model: LightningModule, data: LightningDataModule, seeds: Mapping[str, int]) -> dict[str, Any]:
    """Versions, commit, command, seeds drawn, checksums of the data and number of parameters.

    Args:
        model: the module that is trained.
        data: what it is trained on, prepared.
        seeds: of its random draws, by purpose.
    """
    return {
        "versions": versions(),
        "commit": commit(),
        "command": shlex.join(["python", "-m", "app", *sys.argv[1:]]) if len(sys.argv) > 1 else None,
        "seeds": dict(seeds),
        # W&B reads a "." in a name as the border of two names, and files have them.
        "data_checksums": [f"{checksum}  {name}" for name, checksum in sorted(protocols.checksums(data).items())],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def run_tags(config: Mapping[str, Any]) -> list[str]:
    """The names of the classes that a configuration trains and trains on."""
    model, data = ((config.get(part) or {}) for part in ("model", "data"))
    net = (model.get("init_args") or {}).get("net") or {}
    paths = (part.get("class_path") for part in (model, net, data) if isinstance(part, Mapping))
    return [str(path).rpartition(".")[2] for path in paths if path]


def sweeps_run() -> str | None:
    """The id of the run that a sweep's agent has started this process for, if one has."""
    return os.environ.get(SWEEPS_RUN) if os.environ.get(SWEEP) else None
