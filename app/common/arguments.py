"""An argument parser that reports a user's mistake in one line."""

import argparse
from typing import NoReturn

from app.common.errors import UserError


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises an error instead of exiting; its `prog` must be "python -m app COMMAND"."""

    def error(self, message: str) -> NoReturn:
        """Report a mistake in the command line.

        Raises:
            UserError: always.
        """
        raise UserError(f"{self.prog.split()[3]}: {message}; see {self.prog} --help")
