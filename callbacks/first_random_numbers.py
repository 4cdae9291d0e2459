"""The random numbers that trainings of one script begin with."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import Strategy
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from callbacks.trainer_state import rng_state, set_rng_state

FINGERPRINTED = 65536  # elements of each tensor


class FirstRandomNumbers:
    """Lets every training draw what the first one drew: batches, dropout, and whatever else.

    A `DataLoader` that has a generator of its own draws its order from that one, which goes on from fit to fit. Its
    state is noted and set when Lightning has the loaders and has not yet made iterators of them. The only public method
    that is called then is `Strategy.process_dataloader`.

    Attributes:
        state: of all generators at the start of the first training, as plain values and tensors; empty before it.
    """

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self._strategy: Strategy | None = None

    def begin(self, trainer: Trainer, module: LightningModule) -> None:
        """Note the states of the generators in the first fit, and set them in every later one.

        Args:
            trainer: of a fit that begins, before Lightning makes iterators of the loaders.
            module: on the device that it is trained on.
        """
        self.stop()
        known = bool(self.state)
        if known:
            set_rng_state(self.state, module)
        else:
            self.state = rng_state(module) | {"loaders": []}
        if "loaders" in self.state:  # not in checkpoints of before
            self._watch(trainer, known=known)

    def _watch(self, trainer: Trainer, *, known: bool) -> None:
        """Act on the training loaders that Lightning is about to iterate over, until `stop`."""
        process, waiting = trainer.strategy.process_dataloader, list(self.state["loaders"])

        def processed(loader: Any) -> Any:
            if trainer.training and known:
                for generator, state in zip(generators_of(loader), waiting.pop(0) if waiting else (), strict=False):
                    generator.set_state(state.cpu())
            elif trainer.training:
                self.state["loaders"].append([generator.get_state() for generator in generators_of(loader)])
            return process(loader)

        self._strategy = trainer.strategy
        _set(trainer.strategy, processed)

    def compare(self, batch: Any) -> None:
        """Warn if a training begins with another batch than the first one did.

        The data may draw from generators that nobody else knows, or before a callback can set any, in `setup`.

        Args:
            batch: the first one.
        """
        seen = _fingerprint(batch)
        if self.state.setdefault("first_batch", seen) != seen:
            rank_zero_warn(
                "this round sees other batches than the dense training: its data draws in setup, or from a generator "
                "of its own; give what it draws a seed, or compare rounds with care"
            )

    def stop(self) -> None:
        """Leave the loaders alone from now on."""
        if self._strategy is not None:
            vars(self._strategy).pop("process_dataloader", None)
            self._strategy = None


def _fingerprint(batch: Any) -> str:
    """A digest of the beginnings of all tensors in a batch; batches without tensors all have the same."""
    total, waiting = hashlib.sha256(), [batch]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            waiting += each.values()
        elif isinstance(each, list | tuple):
            waiting += each
        elif isinstance(each, Tensor) and each.layout == torch.strided:
            beginning = each.detach().flatten()[:FINGERPRINTED].cpu()
            total.update(f"{each.dtype} {tuple(each.shape)}".encode() + beginning.view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _set(strategy: Strategy, process: Callable[[Any], Any]) -> None:
    strategy.process_dataloader = process  # type: ignore[method-assign, assignment]


def generators_of(loader: Any) -> list[torch.Generator]:
    """The generators that a loader and its samplers have of their own, each once."""
    batches = getattr(loader, "batch_sampler", None)
    holders = [loader, getattr(loader, "sampler", None), batches, getattr(batches, "sampler", None)]
    found = [getattr(holder, "generator", None) for holder in holders]
    return list({id(each): each for each in found if isinstance(each, torch.Generator)}.values())
