"""`--pruning.sparse`: trainings whose masked layers compute with their surviving weights alone."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from app.common.errors import UserError
from app.common.protocols import WithCompiledLayers
from app.pruning.sparse_layers import KINDS, measured_limits, sparse_kernels, sparse_layers
from app.runs.config import read_config
from app.runs.layout import RunLayout

# The densities up to which layers are sparse, by kind; "auto" until they are measured; None for dense layers.
Sparse: TypeAlias = Literal["auto"] | dict[str, float] | None
PRECISIONS = ("32-true", "64-true")


def check_limits(sparse: Sparse) -> None:
    """Check the values of the option.

    Raises:
        UserError: a kind that no layer has, or a density outside [0, 1].
    """
    for kind, density in sparse.items() if isinstance(sparse, Mapping) else ():
        if kind not in KINDS:
            raise UserError(f"pruning.sparse has {kind}; the kinds of layers that can be sparse are {', '.join(KINDS)}")
        if not 0 <= density <= 1:
            raise UserError(f"pruning.sparse.{kind} is {density}; expected a density from 0 to 1")


def check_sparse(sparse: Sparse, trainer: Trainer, stack: int) -> None:
    """Check that trainings can have sparse layers.

    Raises:
        UserError: they cannot; it says why, and what to do.
    """
    if sparse is None:
        return
    reasons = {
        "there are several processes": trainer.world_size > 1,
        f"the training is on {trainer.strategy.root_device.type}": trainer.strategy.root_device.type != "cpu",
        f"the precision is {trainer.precision}": trainer.precision not in PRECISIONS,
        "networks are trained at once (pruning.stack)": stack > 1,
    }
    for reason in (reason for reason, holds in reasons.items() if holds):
        raise UserError(
            f"pruning.sparse lets one process compute in float32 or float64 on the CPU, and {reason}; leave it out"
        )


def with_limits(config: dict[str, Any], layout: RunLayout) -> dict[str, Any]:
    """A configuration with densities in place of "auto": those of its run directory, or those of this machine.

    Args:
        config: of the command.
        layout: the run directory, if it is there.
    """
    pruning = config.get("pruning") or {}
    if pruning.get("sparse") != "auto":
        return config
    before = (read_config(layout).get("pruning") or {}) if layout.config.exists() else {}
    limits = before["sparse"] if isinstance(before.get("sparse"), Mapping) else measured_limits()
    return {**config, "pruning": {**pruning, "sparse": dict(limits)}}


def kernels_of(sparse: Sparse) -> dict[str, str]:
    """What computes sparse layers here, if there may be any."""
    return {} if sparse is None else sparse_kernels("cpu")


@contextmanager
def sparse_training(model: LightningModule, masks: Mapping[str, Tensor], sparse: Sparse) -> Iterator[None]:
    """Train with sparse layers up to the option's densities; layers that other compiled code trains stay dense."""
    if not isinstance(sparse, Mapping):
        yield
        return
    spared = {
        layer for each in model.modules() if isinstance(each, WithCompiledLayers) for layer in each.compiled_layers()
    }
    with sparse_layers(model, masks, sparse, spared):
        yield
