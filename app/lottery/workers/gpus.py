"""Which GPU each worker has: no two have the same as long as there are enough."""

import os
from collections.abc import Callable, Mapping

import torch

from app.common.errors import UserError

CUDA_VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"  # CUDA's variable: the GPUs that a process sees, by number or name


def visible_gpus(environment: Mapping[str, str] = os.environ, count: Callable[[], int] | None = None) -> list[str]:
    """The GPUs that this process sees, as `CUDA_VISIBLE_DEVICES` names them.

    Args:
        environment: of the process; CUDA ignores what follows a number of no GPU.
        count: of the GPUs that the process sees; torch's where it is left out.
    """
    count = count or torch.cuda.device_count
    names = [name.strip() for name in environment.get(CUDA_VISIBLE_DEVICES, "").split(",") if name.strip()]
    return names[: count()] or [str(number) for number in range(count())]


def worker_gpus(
    workers: int,
    *,
    oversubscribe: bool = True,
    environment: Mapping[str, str] = os.environ,
    count: Callable[[], int] | None = None,
) -> list[str]:
    """The GPUs of the workers, in the order of their numbers; where there are fewer, they take turns.

    Args:
        workers: how many.
        oversubscribe: whether several may have one.
        environment: as for `visible_gpus`.
        count: as for `visible_gpus`.

    Raises:
        UserError: there are fewer GPUs than workers, and they may not share.
    """
    gpus = visible_gpus(environment, count)
    if len(gpus) < workers and not oversubscribe:
        raise UserError(
            f"pruning.workers is {workers}, and there {'is 1 GPU' if len(gpus) == 1 else f'are {len(gpus)} GPUs'}; ask "
            "for fewer, or let workers share by --pruning.oversubscribe true"
        )
    return gpus[:workers]
