"""Makes objects, such as scores and methods, from a name or a class path in a configuration."""

import importlib
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from app.common.errors import RunError, UserError

T = TypeVar("T")


def build(spec: Any, known: Mapping[str, type[T]], base: type[T], option: str) -> T:
    """Make the object that a configuration specifies.

    Args:
        spec: one of the known names, a class path, a mapping with class_path and init_args, or the object itself.
        known: the classes that have a name, by name.
        base: the required base class.
        option: name of the option, for the error message.

    Raises:
        UserError: the name or class does not exist, the class has another base, or it does not accept the arguments.
    """
    if isinstance(spec, base):
        return spec
    if isinstance(spec, str) and spec in known:
        return known[spec]()
    path, arguments = (spec, {}) if isinstance(spec, str) else _parts(spec, option)
    kind = known.get(path) or _import(path, known, option)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise UserError(f"{option}: {path} is not a subclass of {base.__module__}.{base.__qualname__}")
    try:
        return kind(**arguments)
    except UserError:
        raise
    except Exception as error:  # the class may be a user's own
        raise UserError(f"{option}: {path}: {in_one_line(error)}") from None


def _parts(spec: Any, option: str) -> tuple[str, dict[str, Any]]:
    try:
        return str(spec["class_path"]), dict(spec.get("init_args") or {})
    except (TypeError, KeyError, AttributeError, ValueError):
        raise UserError(f"{option} is {spec!r}; expected a name, or class_path and init_args") from None


def _import(path: str, known: Mapping[str, type], option: str) -> Any:
    if not path.rpartition(".")[0]:
        raise UserError(f"{option} is {path!r}; expected one of {', '.join(known)}, or the path of a class")
    return import_object(path, option)


def import_object(path: str, option: str) -> Any:
    """Import what a path such as `mine.Net` names.

    Args:
        path: module and name.
        option: name of the option, or the file, that the path is from, for the error message.

    Raises:
        UserError: it cannot be imported.
    """
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever happens while a module is imported
        raise UserError(f"{option}: {path} cannot be imported ({in_one_line(error)})") from None


@contextmanager
def errors_named(option: str, plugin: object) -> Iterator[None]:
    """Run a method of a plugin; an exception that it raises becomes one line that names the plugin and the place.

    Raises:
        UserError: the plugin raised an exception that is not one of ours.
    """
    try:
        yield
    except (UserError, RunError):
        raise
    except Exception as error:
        kind = type(plugin)
        frames = traceback.extract_tb(error.__traceback__)
        where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        raise UserError(f"{option}: {kind.__module__}.{kind.__qualname__}: {in_one_line(error)}{where}") from error


def in_one_line(error: BaseException) -> str:
    """An exception as one line: its kind and its message."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
