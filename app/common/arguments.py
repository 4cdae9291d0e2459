"""A command line whose mistakes are one line."""

import argparse
from typing import NoReturn

from app.common.errors import UserError


class Parser(argparse.ArgumentParser):
    """A parser that leaves it to its caller to show a mistake and to exit; its `prog` is "python -m app COMMAND"."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line, in one line.

        Raises:
            UserError: always.
        """
        raise UserError(f"{self.prog.split()[3]}: {message}; see {self.prog} --help")
