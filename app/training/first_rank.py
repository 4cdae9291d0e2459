"""The first of several processes claims the run directory; the others wait for that, and end where it is refused.

Without this, the others would read a directory that the first is still writing into, and wait for half an hour where
the first has been refused it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from lightning.pytorch import Trainer

from app.common.lightning_internals import are_there, start_children
from app.common.rank_watch import watch_children, watch_parent
from app.common.ranks import are_connected, is_first, of_first

PARENT = "TREES_TICKETS_FIRST_PROCESS"  # number of the process that has started the others


@dataclass
class FirstRank:
    """What the first process decides for all that share a training.

    Args:
        trainer: of the configuration; it need not train itself.
    """

    trainer: Trainer
    _told: bool = field(default=False, init=False)

    def wait(self) -> bool:
        """On all processes but the first: wait until it has claimed the run directory.

        Returns:
            Whether anything is to be trained.

        Raises:
            UserError: the first was refused the directory, or something else that it has checked.
            RunError: it has failed.
        """
        assert not is_first()
        connect(self.trainer)
        return of_first(bool)

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """On the first: an error within the context ends the others too, unless `go` has been called before."""
        try:
            yield
        except Exception as error:
            if self._told or self.trainer.world_size == 1 or not are_there(self.trainer):
                raise
            raised = error

            def refuse() -> bool:
                raise raised

            connect(self.trainer)
            of_first(refuse)

    def go(self, *, on: bool) -> None:
        """On the first: let the others begin.

        Args:
            on: whether anything is to be trained; if not, those that are there end.
        """
        self._told = True
        if self.trainer.world_size > 1 and (on or are_there(self.trainer)):
            connect(self.trainer)
            of_first(lambda: on)
            if not on:  # the others end
                torch.distributed.destroy_process_group()


def connect(trainer: Trainer) -> None:
    """Start the other processes of a training unless they are started already, and connect this one with them.

    A second call does nothing.

    Args:
        trainer: of the configuration.
    """
    if trainer.world_size == 1 or are_connected():
        return
    # Or Lightning sets it, and with it torch's threads, to what the number of cores suggests.
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    parent = os.environ.get(PARENT)
    if parent is not None and trainer.local_rank > 0:
        watch_parent(int(parent), are_connected)
    else:
        os.environ[PARENT] = str(os.getpid())
        children = start_children(trainer)
        del os.environ[PARENT]
        if children:
            watch_children(children, are_connected)
    trainer.strategy.setup_environment()
