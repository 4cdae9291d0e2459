"""The weights that fits began and ended with, kept for the fits after them."""

import weakref
from collections.abc import Iterator
from itertools import chain

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor
from torch.nn import Parameter

from app.common.errors import UserError
from app.common.states import load_plain_state, plain_name, plain_state


class KeptWeights:
    """Copies of a module's state, so that a fit does not depend on what happened to the module after the last one.

    Attributes:
        start: the state that an unfinished fit began with; empty where it is known otherwise, or no fit is unfinished.
        end: the state that the last fit ended with; empty if there was none.
        overwritten: whether a checkpoint has been loaded into the module since, to be measured.
    """

    def __init__(self) -> None:
        self.start: dict[str, Tensor] = {}
        self.end: dict[str, Tensor] = {}
        self.overwritten = False
        self._trained: list[weakref.ref[Parameter]] = []
        self._training: dict[str, bool] = {}
        self._given: dict[str, tuple[Tensor, torch.nn.Module]] = {}

    def keep_start(self, module: LightningModule) -> None:
        """Copy the state of a module whose training begins."""
        self.start = plain_state(module)

    def keep_modes(self, module: LightningModule) -> None:
        """Note which submodules are in training mode, where a training begins."""
        self._training = {name: each.training for name, each in module.named_modules()}

    def put_modes(self, module: LightningModule) -> None:
        """Set the submodules to the modes that they had where the last training began.

        An evaluation of the user's own, or one that an exception ended, leaves the module in evaluation mode.
        """
        for name, each in module.named_modules():
            each.training = self._training.get(name, each.training)

    def keep_end(self, module: LightningModule) -> None:
        """Copy the state of a module whose training has ended."""
        self.start, self.end, self.overwritten = {}, plain_state(module), False
        self._trained = [weakref.ref(parameter) for parameter in module.parameters()]

    def put_end(self, module: LightningModule) -> None:
        """Load the end of the last fit if the module has other weights than those that were trained.

        That is so where a test or a validation has loaded a checkpoint, where `setup` has made new layers, and where
        the module is another object.

        Raises:
            UserError: names or shapes differ from the module's.
        """
        now, then = list(module.parameters()), [parameter() for parameter in self._trained]
        same = len(now) == len(then) and all(map(lambda one, other: one is other, now, then))
        if not self.end or (same and not self.overwritten):
            return
        load_plain_state(module, self.end, "the trained weights")
        why = "a checkpoint has been loaded into the module" if same else "the module has new parameters"
        rank_zero_info(f"{why} since the last fit; what is pruned are the weights at the end of that fit")

    def note_given(self, module: LightningModule) -> None:
        """Remember the state that a fit is to begin with, before `setup` and `configure_model` of the module run."""
        self._given = {name: (value.detach().cpu().clone(), owner) for name, value, owner in _tensors(module)}

    @torch.no_grad()
    def put_given(self, module: LightningModule) -> None:
        """Put this state back where `setup` or `configure_model` has made layers anew or changed weights.

        Buffers of layers that are the same as before keep their values: computing some from the data is what `setup`
        is for.

        Raises:
            UserError: a new layer has another shape.
        """
        given, self._given = self._given, {}
        changed = []
        for name, value, owner in _tensors(module):
            before, owner_before = given.get(name, (None, None))
            if before is None or (owner is owner_before and not isinstance(value, Parameter)):
                continue
            if before.shape != value.shape:
                raise UserError(
                    f"{type(module).__name__} has made {name} anew with shape {tuple(value.shape)}, and it had "
                    f"{tuple(before.shape)}; make the same layers in every fit"
                )
            if not torch.equal(value.cpu(), before.to(value.dtype)):
                value.copy_(before)
                if owner is owner_before:
                    changed.append(name)
        if changed:
            rank_zero_warn(
                f"setup or configure_model of {type(module).__name__} has changed {', '.join(changed)}; the trained or "
                "rewound weights have been put back. Load weights in __init__ or before the first fit instead"
            )


def _tensors(module: LightningModule) -> Iterator[tuple[str, Tensor, torch.nn.Module]]:
    """Parameters and buffers by plain name, with the submodules that they belong to."""
    for prefix, owner in module.named_modules():
        for name, value in chain(owner.named_parameters(recurse=False), owner.named_buffers(recurse=False)):
            yield plain_name(f"{prefix}.{name}" if prefix else name), value, owner
