"""Whole training iterations of a feed-forward network by compiled code, where no callback needs what is in between."""

# B examples of a batch, C classes.

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from app.nets.feedforward.layers import usable
from app.nets.feedforward.native import GRADIENTS, WRONG_LABEL, Network, Pair, Rule
from app.nets.feedforward.updates import BY_ELEMENT, network_of, update_of


class Steps:
    """Forward pass, gradients, masks, clipping and optimiser, with the bits that they have one after the other.

    Args:
        layers: of the network.
        optimizer: of one of the classes `BY_ELEMENT`, with the state of a first step.
        masks: bool, by parameter, of the weights that are trained; the others are 0, as is what the optimiser knows of
            them.
        clip: clips the gradients of the parameters before the optimiser's step, if they are to be clipped.
    """

    def __init__(
        self,
        layers: Sequence[nn.Linear],
        optimizer: Optimizer,
        masks: Mapping[Tensor, Tensor],
        clip: Callable[[], None] | None = None,
    ) -> None:
        self.layers, self.optimizer, self.clip = layers, optimizer, clip
        by_number = {number: masks[each.weight] for number, each in enumerate(layers) if each.weight in masks}
        self._update = update_of(optimizer, layers) if clip is None else None
        if self._update is not None:
            self._network = network_of(self._update, layers, by_number)
        else:
            self._gradients = [Pair(torch.empty_like(each.weight), torch.empty_like(each.bias)) for each in layers]
            self._network = Network(layers, gradients=self._gradients, masks=by_number)
        self._pointers = self._now()

    def begin(self) -> bool:
        """Some steps follow: whether all tensors are where they were."""
        if self._pointers != self._now():
            return False
        if self._update is not None:
            self._update.begin()
        return True

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[float, Tensor] | None:
        """One iteration.

        Args:
            images: (B, ...).
            labels: int64 (B,).

        Returns:
            The mean loss and the logits (B, C) of before the update; None if the compiled code cannot take this batch,
            with which nothing has been done then.
        """
        fits = labels.dtype == torch.int64 and labels.shape == (len(images),) and labels.device == images.device
        if not fits or not usable(self.layers, images):
            return None
        rule = self._update.rule() if self._update is not None else Rule(kind=GRADIENTS)
        loss, logits = self._network.step(images, labels, rule)
        if loss == WRONG_LABEL:
            return None
        if self._update is not None:
            self._update.count()
        else:
            for layer, pair in zip(self.layers, self._gradients, strict=True):
                layer.weight.grad, layer.bias.grad = pair
            if self.clip is not None:
                self.clip()
            self.optimizer.step()
        return loss, logits

    def end(self) -> None:
        """The steps are done."""
        if self._update is not None:
            self._update.end()
        for layer in self.layers:
            layer.weight.grad = layer.bias.grad = None

    def _now(self) -> list[int]:
        """Where the tensors are that the compiled code reads and writes."""
        parameters = [parameter for each in self.layers for parameter in (each.weight, each.bias)]
        states = [self.optimizer.state.get(each, {}) for each in parameters]
        tensors = [value for state in states for value in state.values() if isinstance(value, Tensor)]
        return [each.data_ptr() for each in (*parameters, *tensors)]


def takes(optimizer: Optimizer, layers: Sequence[nn.Linear], masks: Mapping[Tensor, Tensor]) -> bool:
    """Whether `Steps` can train with this optimiser and these masks.

    Args:
        optimizer: of the training.
        layers: of the network.
        masks: bool, by parameter.
    """
    hooks = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
    parameters = [parameter for each in layers for parameter in (each.weight, each.bias)]
    trained = {id(each) for group in optimizer.param_groups for each in group["params"]}
    if type(optimizer) not in BY_ELEMENT or trained != {id(each) for each in parameters}:
        return False
    if any(getattr(optimizer, name, None) for name in hooks) or any(map(_is_watched, parameters)):
        return False
    if any(each.ndim != 2 for each in masks) or not masks.keys() <= {each.weight for each in layers}:
        return False
    return all(_is_at_rest(optimizer, parameter, mask) for parameter, mask in masks.items())


def _is_watched(parameter: Tensor) -> bool:
    return bool(getattr(parameter, "_backward_hooks", None) or getattr(parameter, "_post_accumulate_grad_hooks", None))


def _is_at_rest(optimizer: Optimizer, parameter: Tensor, mask: Tensor) -> bool:
    """Whether masked weights are 0 and the optimiser has nothing that would move them."""
    state = [value for value in optimizer.state.get(parameter, {}).values() if isinstance(value, Tensor)]
    tensors = [parameter.detach(), *(value for value in state if value.shape == parameter.shape)]
    return not any((each != 0).logical_and_(~mask).any() for each in tensors)
