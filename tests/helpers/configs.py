"""A configuration as the command line composes it from its files, without anything being made or run."""

import copy
import inspect
from importlib import import_module
from typing import Any

import pytest
from jsonargparse import Namespace

from app.cli import parser
from helpers.command import REPOSITORY

# What was composed already, by command and file.
_composed: dict[tuple[str, str], dict[str, Any]] = {}


class Parser(parser.ParsedCLI):
    """Parses and goes no further."""

    def instantiate_classes(self) -> None:
        self.parsed = self.config

    def _run_subcommand(self, subcommand: str) -> None:
        self.parsed = self.config[subcommand]


def parse(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> Namespace:
    """The options of a command, from the repository's root."""
    return _parser(arguments, monkeypatch).parsed


def composed(path: str, *, command: str = "fit", monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A file in configs/ with its parts and all defaults, as plain nested dictionaries."""
    if (command, path) not in _composed:
        cli = _parser((command, "--config", f"configs/{path}"), monkeypatch)
        cli._dump_config()
        _composed[command, path] = cli.config_dump
    return copy.deepcopy(_composed[command, path])


def _parser(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Parser:
    monkeypatch.setattr("sys.argv", ["app", *arguments])
    monkeypatch.setattr(parser, "set_vocabulary_size", lambda model, data: None)  # would read the data
    monkeypatch.chdir(REPOSITORY)
    return Parser()


def spec(class_path: str, **options: Any) -> dict[str, Any]:
    """What a composed configuration says of a class: the options given, and every other at its default."""
    module, _, name = class_path.rpartition(".")
    defaults = {
        key: list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        for key, parameter in inspect.signature(getattr(import_module(module), name)).parameters.items()
        if parameter.default is not parameter.empty
    }
    return {"class_path": class_path, "init_args": defaults | options}
