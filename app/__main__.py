"""`python -m app`: one table of commands, and one line for what goes wrong."""

import difflib
import logging
import os
import select
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from app import __version__
from app.common.errors import Interrupted, RunError, UserError, explain
from app.common.lines import print_to_stderr
from app.common.loading import said_meanwhile
from app.common.printing import ACTING, one_line, printable, spelt
from app.common.signals import StoppedAtOnce, end_on_signals, in_job, requeue_job

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule, LightningModule

USAGE = """\
usage: python -m app COMMAND ...

  lottery    draw lottery tickets: train, prune, rewind, train again
  report     figures, tables and one page from finished and running experiments
  dashboard  a W&B workspace and report with the papers' figures, made from run directories
  stability  copies of networks of a lottery, and the error on the line between them
  export     a ticket as one small file, or as ONNX, or with sparse weights
  status     what is done, running and missing in an experiment
  fit        train one network
  validate, test, predict
  parse      trees of a language model: scored against a treebank, drawn; or --score files of any parser's trees
  agree      trees on which several seeds or layers agree, scored beside them
  syntax     which of two sentences a language model prefers; or --compare the scores of several models
  surprisal  how much each word of a text surprises a language model, and what it expects next
  generate   sentences drawn from a language model
  states     hidden states of a language model for every word of a text, for probing
  bench      speed of layers, training steps and lotteries on this machine, and how far results differ
  import-authors   convert a checkpoint of the ON-LSTM authors' code
  completion       a script that completes commands and options in bash, zsh or tcsh

validate, test, predict, parse, syntax, surprisal, generate and states take a run directory, as in
python -m app parse runs/grammar_on_lstm/seed_0
python -m app COMMAND --help tells the options; the README has an example of each. python -m app --version tells the
version.
"""


# Packages are imported late: Lightning takes seconds, and commands that need no model do without it.
def _lightning(argv: list[str]) -> None:
    with said_meanwhile() as loaded:
        from app.cli.main import main

        main(argv, loaded)


def _report(argv: list[str]) -> None:
    from app.report.command import main

    main(argv[1:])


def _dashboard(argv: list[str]) -> None:
    from app.commands.dashboard import main

    main(argv[1:])


def _stability(argv: list[str]) -> None:
    with said_meanwhile():
        from app.cli.main import study
        from app.commands.stability import run_stability

    run_stability(argv[1:], study)


def _export(argv: list[str]) -> None:
    from app.commands.export_options import parse_arguments

    options = parse_arguments(argv[1:])
    with said_meanwhile():
        from app.commands.export import run_export

    run_export(options, _make_network)


def _make_network(directory: Path) -> "tuple[LightningModule, LightningDataModule]":
    """The model and the data of a trained network; imports what they need."""
    with said_meanwhile():
        from app.cli.main import make_network

    return make_network(directory)


def _status(argv: list[str]) -> None:
    from app.commands.status import main

    main(argv[1:])


def _parse(argv: list[str]) -> None:
    if not _has("--score", argv):
        _lightning(argv)
        return
    with said_meanwhile():
        from app.commands.score import main

    main(argv[1:])


def _agree(argv: list[str]) -> None:
    with said_meanwhile():
        from app.commands.agree import main

    main(argv[1:])


def _syntax(argv: list[str]) -> None:
    if not _has("--compare", argv):
        _lightning(argv)
        return
    with said_meanwhile():
        from app.commands.compare import main

    main(argv[1:])


def _worker(argv: list[str]) -> None:
    """A process that `lottery` starts for itself."""
    from app.lottery.workers.parent import Parent

    if len(argv) != 2:
        raise UserError("lottery-worker is started by lottery itself, with --pruning.workers")
    parent = Parent(int(argv[1]))
    from app.cli.main import work

    work(parent)


def _bench(argv: list[str]) -> None:
    with said_meanwhile():
        from app.bench.command import main

    main(argv[1:])


def _import_authors(argv: list[str]) -> None:
    with said_meanwhile():
        from app.authors.command import main

    main(argv[1:])


def _completion(argv: list[str]) -> None:
    from app.cli.completion import main

    main(argv[1:], PUBLIC)


def _version(argv: list[str]) -> None:
    print(f"trees-and-tickets {__version__}")


def _help(argv: list[str]) -> None:
    print(USAGE, end="")


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "lottery": _lightning,
    "report": _report,
    "dashboard": _dashboard,
    "stability": _stability,
    "export": _export,
    "status": _status,
    "fit": _lightning,
    "validate": _lightning,
    "test": _lightning,
    "predict": _lightning,
    "parse": _parse,
    "agree": _agree,
    "syntax": _syntax,
    "surprisal": _lightning,
    "generate": _lightning,
    "states": _lightning,
    "bench": _bench,
    "import-authors": _import_authors,
    "completion": _completion,
    "lottery-worker": _worker,
    "-h": _help,
    "--help": _help,
    "--version": _version,
}

PUBLIC = [name for name in COMMANDS if name != "lottery-worker" and not name.startswith("-")]


# Commands that go on in a run directory where they were stopped.
GOING_ON = ("fit", "lottery", "stability")

GOES_ON = "a run directory goes on from its last checkpoint with the same command"
AT_ONCE = f"stopped at once; {GOES_ON}"
# What a shell reports of a command that SIGPIPE ended, as `yes | head` does.
CLOSED_PIPE = 128 + signal.SIGPIPE
HOW = {signal.SIGINT: "stopped", signal.SIGTERM: "terminated"}


def _has(option: str, argv: list[str]) -> bool:
    return any(argument.split("=")[0] == option for argument in argv)


def dispatch(argv: list[str]) -> None:
    """Run one subcommand.

    Raises:
        UserError: there is no such command, it was used wrongly, or an argument is not text.
    """
    for argument in argv:
        if found := ACTING.search(argument):
            raise UserError(
                f"the argument {printable(argument)} has the character {spelt(found[0])}, which is no text; remove it"
            )
    command = argv[0] if argv else "--help"
    # Lightning's options before its command stay possible: `--config FILE fit`, where the file has a part `fit`.
    if command not in COMMANDS and not (command.startswith("-") and any(each in PUBLIC for each in argv)):
        similar = difflib.get_close_matches(command, PUBLIC, n=1)
        hint = f"did you mean {similar[0]}? The commands are" if similar else "choose one of"
        raise UserError(f"there is no command {command}; {hint} {', '.join(PUBLIC)}")
    COMMANDS.get(command, _lightning)(argv)


class _Lines(logging.Handler):
    """Prints what is logged, above a progress bar where there is one."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        print_to_stderr(record.getMessage())


@contextmanager
def _told() -> Iterator[None]:
    """Show on stderr what the code logs of itself: that it compiles something or does without, or what data it has."""
    handler = _Lines()
    loggers = [logging.getLogger(name) for name in ("app", "datamodules")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


def main(argv: list[str]) -> int:
    """Run one subcommand and turn what goes wrong into one line on stderr and an exit code.

    Returns:
        0; 2 for a user's mistake; 1 for a run that failed; after a signal 128 and its number: 130 after Ctrl-C, 143
        after SIGTERM; 141, with no line, where what reads the output has closed it, as `head` does.
    """
    warnings.showwarning = _one_line_warning
    try:
        with end_on_signals(_requeue_signal(argv)), _told():
            dispatch(argv)
            if sys.stdout is not None:
                sys.stdout.flush()  # at the end of the process it would be too late to answer a closed pipe
    except UserError as error:
        return _say(f"error: {error}", 2)
    except RunError as error:
        return _say(f"failed: {error}; finished networks and metrics are kept", 1)
    except Interrupted as error:
        return _say(_stopped(error), 128 + error.signal)
    except KeyboardInterrupt:
        return _say(AT_ONCE, 130)
    except StoppedAtOnce as error:
        return _say(_stopped_at_once(error), 128 + error.signal)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _output_is_closed():
            return CLOSED_PIPE
        return _say(f"failed: {explain(error)}", 1)
    except SystemExit as error:
        # rich ends so where what it prints to is closed.
        if isinstance(error.__context__, BrokenPipeError):
            return CLOSED_PIPE
        # Lightning makes exit code 1 of it, and says nothing.
        if error.code == 1 and isinstance(error.__context__, KeyboardInterrupt):
            return _say(AT_ONCE, 130)
        # Lightning's own answer to SIGTERM carries no code, and a scheduler would take that for success.
        if type(error).__name__ == "SIGTERMException":
            return _say(AT_ONCE.replace("stopped", "terminated"), 143)
        raise
    return 0


def _output_is_closed() -> bool:
    """Whether nobody reads stdout or stderr any more; what is still to be written there is thrown away then."""
    closed = False
    for stream in (sys.stdout, sys.stderr):
        try:
            number = stream.fileno()
            reader = select.poll()
            reader.register(number, 0)
            # An end of a pipe is in error when the other one is closed.
            if any(event & select.POLLERR for _, event in reader.poll(0)):
                closed = True
                # Python would write again at the end of the process, and fail with lines of its own.
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        except (AttributeError, OSError):  # no stream, or one in memory
            continue
    return closed


def _requeue_signal(argv: list[str]) -> signal.Signals | None:
    """The signal after which SLURM is to run the job again, from the start of a command that goes on where it was."""
    return signal.SIGUSR1 if in_job() and any(each in GOING_ON for each in argv) else None


def _stopped(error: Interrupted) -> str:
    """What to say of a training that was saved."""
    requeued = f"{said}; " if error.requeue and (said := requeue_job()) else ""
    return f"{_how(error.signal)}; {requeued}the same command goes on from here"


def _stopped_at_once(error: StoppedAtOnce) -> str:
    """What to say of a process that has ended wherever it was."""
    requeued = f"{said}; " if error.requeue and (said := requeue_job(by_any=True)) else ""
    return f"{_how(error.signal)} at once; {requeued}{GOES_ON}"


def _how(number: signal.Signals) -> str:
    return HOW.get(number, f"stopped by {number.name}")


def _say(line: str, code: int) -> int:
    print_to_stderr(printable(line))
    return code


def _one_line_warning(message: object, *_: object, **__: object) -> None:
    print_to_stderr(f"warning: {one_line(message)}")


def console() -> int:
    """The script `trees-and-tickets`: the same as `python -m app`, which finds modules in the working directory too."""
    sys.path.insert(0, "")
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
