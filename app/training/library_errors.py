"""What Lightning and PyTorch's optimisers refuse while a training begins or goes on, as mistakes of the user's."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from app.common.errors import RunError, UserError

LIGHTNING = Path(lightning.__file__).parent
OPTIMIZERS = Path(torch.optim.__file__).parent
# Raised by statements that say what is wrong; anything else, such as a division by zero, is an accident.
SAID = (ValueError, TypeError, RuntimeError, ImportError, MisconfigurationException)


@contextmanager
def library_errors_named() -> Iterator[None]:
    """Turn what Lightning, an optimiser or a scheduler says of its arguments into one line.

    What the user's own code raises keeps its traceback, which shows the place.

    Raises:
        UserError: one of them raised an error itself.
    """
    try:
        yield
    except (UserError, RunError):
        raise
    except SAID as error:
        frames = traceback.extract_tb(error.__traceback__)
        place = Path(frames[-1].filename) if frames else Path()
        of_optimizer = OPTIMIZERS in place.parents and frames[-1].name == "__init__"
        if not of_optimizer and LIGHTNING not in place.parents:
            raise
        whose = "the optimiser or its schedule: " if of_optimizer else ""
        raise UserError(whose + " ".join(str(error).split())) from error
