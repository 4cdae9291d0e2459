"""The names of the options of the Trainer's commands, as their parsers have them."""

from contextlib import suppress
from typing import Any, ClassVar

from typing_extensions import override

from app.cli.subcommands import CLI


class _Parsers(CLI):
    """The command line up to its parsers, which are not used.

    Attributes:
        found: options by command.
    """

    found: ClassVar[dict[str, list[str]]] = {}

    @override
    def parse_arguments(self, *_: Any) -> None:
        type(self).found = self.option_names()
        raise StopIteration


def option_names() -> dict[str, list[str]]:
    """The options of every command of the Trainer, such as "--trainer.max_epochs", by command."""
    with suppress(StopIteration):
        _Parsers({})
    return _Parsers.found
