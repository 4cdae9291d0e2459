"""Exceptions of libraries that are mistakes of the user's, as one line each."""

import traceback
from argparse import ArgumentError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonargparse
import lightning
import yaml
from jsonargparse import Path as ConfigPath  # type: ignore[attr-defined]
from lightning.fabric.utilities.exceptions import MisconfigurationException

from app.cli import parser_messages
from app.common.errors import RunError, UserError
from app.common.plugins import in_one_line


def user_error(error: BaseException) -> UserError | None:
    """The user's mistake behind an exception, as one line; None where there is none.

    jsonargparse says what it finds over several lines, and wraps its own words around what our constructors find.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, UserError):
        cause = cause.__cause__
    if cause is not None:
        return cause
    if (file := _configuration_that_is_no_text(error)) is not None:
        return UserError(f"{file}: not UTF-8 text; a configuration is a YAML file, such as those in configs/")
    if isinstance(error, ArgumentError):
        return UserError(parser_messages.in_one_line(str(error)))
    of_slurm = isinstance(error, ValueError) and "SLURM" in str(error)  # its tasks and the Trainer's differ
    if of_slurm or isinstance(error, yaml.YAMLError | MisconfigurationException):
        return UserError(" ".join(str(error).split()))
    return None


def _configuration_that_is_no_text(error: BaseException | None) -> str | None:
    """The configuration file that was read when its bytes were found to be no text."""
    while error is not None and not isinstance(error, UnicodeDecodeError):
        error = error.__cause__ or error.__context__
    for frame, _ in traceback.walk_tb(error.__traceback__ if error is not None else None):
        for value in frame.f_locals.values():
            if isinstance(value, ConfigPath):
                return str(value.relative)
    return None


@contextmanager
def constructor_errors_named(what: str) -> Iterator[None]:
    """Turn what a constructor says of its arguments into one line.

    Args:
        what: is constructed, if the error does not name it.

    Raises:
        UserError: the constructor has raised an exception.
    """
    try:
        yield
    except (UserError, RunError, OSError):
        raise
    except Exception as error:
        raise (user_error(error) or _of_constructor(error, what)) from error


def _of_constructor(error: Exception, what: str) -> UserError:
    raised: BaseException = error
    while raised.__cause__ is not None:
        raised = raised.__cause__
    place = traceback.extract_tb(raised.__traceback__)[-1]
    libraries = [Path(str(library.__file__)).parent for library in (jsonargparse, lightning)]
    by_library = any(library in Path(place.filename).parents for library in libraries)
    if str(error).startswith("Does not validate"):
        said = parser_messages.in_one_line(str(error))
    else:
        said = f"{what}: {' '.join(str(error).split())}" if by_library else f"{what}: {in_one_line(error)}"
    return UserError(said if by_library else f"{said} ({Path(place.filename).name}:{place.lineno})")
