"""`python -m app`: dispatch, and one line for what goes wrong."""

import sys
import warnings

from app.common.errors import Interrupted, RunError, UserError, explain

USAGE = """\
usage: python -m app COMMAND ...

  lottery    draw lottery tickets: train, prune, rewind, train again
  report     figures, tables and one page from finished and running experiments
  status     what is done, running and missing in an experiment
  fit        train one network
  validate, test, predict
  parse      trees of a language model: scored against a treebank, drawn; or --score two tree files
  syntax     which of two sentences a language model prefers; or --compare the scores of several models
  bench      how fast this machine is at the layer and the loop, and how equal the results are
  import-authors   convert a checkpoint of the ON-LSTM authors' code

python -m app COMMAND --help tells the options; the README has an example of each.
"""


def dispatch(argv: list[str]) -> None:
    """Run one subcommand; those that need no model start without loading Lightning."""
    match argv:
        case [] | ["-h" | "--help", *_]:
            print(USAGE, end="")
        case ["report", *rest]:
            from app.report import command

            command.main(rest)
        case ["status", *rest]:
            from app.commands import status

            status.main(rest)
        case ["parse", *rest] if any(argument.split("=")[0] == "--score" for argument in rest):
            from app.commands import score

            score.main(rest)
        case ["syntax", *rest] if any(argument.split("=")[0] == "--compare" for argument in rest):
            from app.commands import compare

            compare.main(rest)
        case ["lottery-worker", connection, lock]:  # started by `lottery`, for itself
            from app.lottery.workers.parent import Superior

            superior = Superior(int(connection), int(lock))
            from app.cli import parser

            parser.work(superior)
        case ["bench", *rest]:
            from app.bench import command as bench

            bench.main(rest)
        case ["import-authors", *rest]:
            from app.authors import command as import_authors

            import_authors.main(rest)
        case _:
            from app.cli import parser

            parser.main(argv)


def main(argv: list[str]) -> int:
    """Run one subcommand and turn what goes wrong into one line on stderr and an exit code.

    Returns:
        0; 2 for a user's mistake; 1 for a run that failed; 130 after Ctrl-C; 143 after SIGTERM.
    """
    warnings.showwarning = _one_line_warning
    try:
        dispatch(argv)
    except UserError as error:
        return _say(f"error: {error}", 2)
    except RunError as error:
        return _say(f"failed: {error}; finished networks and metrics are kept", 1)
    except Interrupted:
        return _say("stopped; the same command goes on from here", 130)
    except KeyboardInterrupt:
        return _say("stopped at once; the same command goes on from the last checkpoint", 130)
    except OSError as error:
        return _say(f"failed: {explain(error)}", 1)
    except SystemExit as error:
        # Lightning's own answer to SIGTERM carries no code, and a scheduler would take that for success.
        if type(error).__name__ == "SIGTERMException":
            return _say("terminated; the same command goes on from the last checkpoint", 143)
        raise
    return 0


def _say(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code


def _one_line_warning(message: object, *_: object, **__: object) -> None:
    print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
