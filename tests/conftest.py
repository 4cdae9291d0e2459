"""Every test leaves the process as it found it."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from app.nets import feedforward
from app.nets.fused.build import library

# The slowest, so that no process waits for another at the end; pytest itself takes folders in alphabetical order.
FIRST = (
    *("lottery/workers", "integration", "training", "lottery", "cli", "bench", "modules", "callbacks"),
    *("test_extending.py", "test_readme.py"),
)
# What the libraries set for the workers of loaders and for themselves.
SET_BY_LIBRARIES = {"PL_GLOBAL_SEED", "PL_SEED_WORKERS", "TORCHINDUCTOR_CACHE_DIR", "PYTORCH_NVML_BASED_CUDA_CHECK"}

# Threads that wait for each other take longer than all there is to compute here, on a busy machine ten times.
torch.set_num_threads(1)
os.environ.setdefault("WANDB_MODE", "disabled")
# Read when Triton is imported: without a GPU its interpreter runs the kernels.
os.environ.setdefault("TRITON_INTERPRET", str(int(not torch.cuda.is_available())))
# What tests write they read again through the same system, before any of it is on the disk; waiting for the disk takes
# longer than half of the tests. Commands in processes of their own do wait.
os.fsync = os.fstat
# In a job of SLURM the tests are no part of it; `SLURM_CONF` says where SLURM is, and not that this is a job.
for name in [name for name in os.environ if name.startswith("SLURM_") and name != "SLURM_CONF"]:
    del os.environ[name]
library(), feedforward.library()  # compiled before any test, whose output would have a line about it
# In the background of a shell, a process ignores Ctrl-C, and so do the commands that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("tests", deadline=None)  # the first example pays for imports
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)


def pytest_collection_finish() -> None:
    # Every new Trainer would look through all installed packages for callbacks that they offer. Lightning is there if a
    # test imports it; imported at the top it would import Triton before its variable is set.
    connector = sys.modules.get("lightning.pytorch.trainer.connectors.callback_connector")
    if connector is not None:
        connector._load_external_callbacks = lambda group: []  # type: ignore[attr-defined]


def _place(item: pytest.Item) -> int:
    path = item.path.relative_to(Path(__file__).parent)
    return next((place for place, first in enumerate(FIRST) if path.is_relative_to(first)), len(FIRST))


@pytest.fixture(autouse=True)
def _left_as_found() -> Iterator[None]:
    environment = dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    yield
    changed = {name for name in os.environ.keys() | environment.keys() if os.environ.get(name) != environment.get(name)}
    for name in SET_BY_LIBRARIES - environment.keys():
        os.environ.pop(name, None)
    torch.set_num_threads(threads)
    assert not changed - SET_BY_LIBRARIES - {"PYTEST_CURRENT_TEST"}, "environment variables were left changed"
    assert {number: signal.getsignal(number) for number in handlers} == handlers, "signal handlers were left"
    assert torch.get_default_dtype() == dtype
    assert not torch.distributed.is_initialized(), "a process group was left"
