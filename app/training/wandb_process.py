"""Starts and ends W&B in a process: without output, telemetry and slow look-ups, and with nothing left behind."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wandb import Run

# Nothing on the terminal, where a progress bar is drawn, and nothing that is slow to find out: report.json names the
# versions, and a sampler of system metrics would take its share of the very cores that train.
_QUIET: dict[str, Any] = {
    "silent": True,
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "x_save_requirements": False,
}
_SYSTEM = ("x_disable_machine_info", "x_disable_meta", "x_disable_stats")


class WandbProcess:
    """Starts runs in this process, and ends W&B's background process with the last of them."""

    def __init__(self) -> None:
        self._hooks: tuple[Any, Any] | None = None  # the interpreter's, while W&B's are in their place

    def start(self, options: Mapping[str, Any], *, system_metrics: bool) -> "Run":
        """Start a run.

        Args:
            options: of `wandb.init`, without `settings`.
            system_metrics: whether the load of processor, memory and GPU is logged too.
        """
        with _no_telemetry():
            import wandb

            self._hooks = self._hooks or (sys.exit, sys.excepthook)
            settings = _QUIET | dict.fromkeys(_SYSTEM, not system_metrics)
            return wandb.init(**options, settings=settings)

    def end(self) -> None:
        """End W&B's background process, and put the interpreter's hooks back; nothing if no run was started."""
        if self._hooks is None:
            return
        import wandb

        with suppress(Exception):  # its process may be gone
            wandb.teardown()
        (sys.exit, sys.excepthook), self._hooks = self._hooks, None


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Start W&B without its reports on how it is used, unless the user's environment says otherwise.

    It would do so offline as well, and hold up the end of a process that has no network.
    """
    found = "WANDB_ERROR_REPORTING" in os.environ
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        yield
    finally:
        if not found:
            del os.environ["WANDB_ERROR_REPORTING"]
