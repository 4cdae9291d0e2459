"""Gradients of a module outside of a training loop: of its training loss on one batch, and of its flow."""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from app.common.errors import UserError
from app.common.plugins import in_one_line
from app.common.states import plain_parameters
from app.pruning.masks import as_bits, clear_
from app.pruning.second_order import DividedLogits, hessian_gradient


class LossGradients:
    """Computes gradients when it is called, on a copy of the module, so that the module itself does not change.

    All are by plain parameter name, on the CPU, without parameters that what is differentiated does not depend on.

    Args:
        module: its `training_step` returns the loss.
        make_batch: returns a batch as the loader yields it, or None if there is no batch.
        masks: bool, by plain parameter name; masked weights count as 0.
    """

    def __init__(
        self, module: LightningModule, make_batch: Callable[[], Any], masks: Mapping[str, Tensor] | None = None
    ) -> None:
        self.module = module
        self.make_batch = make_batch
        self.masks = masks or {}

    def __call__(self) -> dict[str, Tensor]:
        """Compute the gradients of the loss.

        Raises:
            UserError: there is no batch, or `training_step` returns no loss.
        """
        module = self._copy()
        with self._loss(module) as loss:
            loss.backward()  # type: ignore[no-untyped-call]
        parameters = plain_parameters(module)
        return {name: each.grad.detach().cpu() for name, each in parameters.items() if each.grad is not None}

    def hessian_gradient(self, temperature: float = 1.0) -> dict[str, Tensor]:
        """Compute H g, of the gradient and the Hessian of the loss with respect to the weights that have masks.

        Args:
            temperature: by which the logits of every cross-entropy in the loss are divided.

        Raises:
            UserError: as above, the loss cannot be differentiated twice, or it has no cross-entropy and a temperature
                other than 1.
        """
        module = self._copy()
        parameters = plain_parameters(module)
        weights = {name: parameters[name] for name in (self.masks or parameters) if parameters[name].requires_grad}
        divided = DividedLogits(temperature) if temperature != 1 else None
        with self._loss(module, divided) as loss:
            if divided is not None and not divided.calls:
                raise UserError(
                    f"{type(module).__name__}.training_step calls no torch.nn.functional.cross_entropy, whose logits "
                    f"this score divides by {temperature:g}; give it temperature: 1"
                )
            try:
                found = hessian_gradient(loss, list(weights.values()))
            except RuntimeError as error:
                raise UserError(
                    f"the loss of {type(module).__name__} cannot be differentiated twice ({in_one_line(error)}); this "
                    "score needs second derivatives"
                ) from None
        return {name: each.cpu() for name, each in zip(weights, found, strict=True) if each is not None}

    def synaptic_flow(self) -> dict[str, Tensor]:
        """Compute the gradients of the sum of the module's outputs for an input of ones (Tanaka et al. 2020).

        Parameters and buffers have their absolute values, so that the gradients are with respect to these. The input
        is one example of the shape that a batch of training data has. In float64, in evaluation mode.

        Raises:
            UserError: there is no batch, or none that begins with floats; or the module's `forward` does not take them
                or does not return a tensor.
        """
        module = self._copy().double().eval()
        ones = self._ones(module)
        with torch.random.fork_rng(), torch.enable_grad():
            with torch.no_grad():
                for value in module.state_dict().values():
                    if value.is_floating_point():
                        value.abs_()
            parameters = {name: each for name, each in plain_parameters(module).items() if each.requires_grad}
            try:
                flow = module(ones)
            except Exception as error:  # whatever a module does with an input that it does not expect
                raise UserError(
                    f"{type(module).__name__}.forward does not take an input of shape {list(ones.shape)} in float64 "
                    f"({in_one_line(error)}); this score needs that"
                ) from None
            if not isinstance(flow, Tensor) or not flow.requires_grad:
                found = "a tensor without gradients" if isinstance(flow, Tensor) else f"a {type(flow).__name__}"
                raise UserError(f"{type(module).__name__}.forward returns {found}; this score needs outputs to sum")
            gradients = torch.autograd.grad(flow.sum(), list(parameters.values()), allow_unused=True)
        return {name: each.cpu() for name, each in zip(parameters, gradients, strict=True) if each is not None}

    def _copy(self) -> LightningModule:
        """A copy with masks applied, because a training step may change buffers, sums and states."""
        module = copy.deepcopy(self.module)
        parameters = plain_parameters(module)
        for name, mask in self.masks.items():
            clear_(parameters[name], as_bits(mask, parameters[name]))
        return module

    def _batch(self) -> Any:
        batch = self.make_batch()
        if batch is None:
            raise UserError("this score needs gradients, which need a batch; call next_round(module, make_batch=...)")
        return batch

    @contextmanager
    def _loss(self, module: LightningModule, mode: AbstractContextManager[Any] | None = None) -> Iterator[Tensor]:
        """The training loss of a copy, in a context in which it can be differentiated; `mode` is around its step."""
        batch = module.transfer_batch_to_device(self._batch(), module.device, 0)
        module.train()
        with torch.random.fork_rng(), torch.enable_grad(), warnings.catch_warnings():
            # The copy has no Trainer; what it logs is not needed.
            warnings.filterwarnings("ignore", message=r"You are trying to `self\.log\(\)`")
            torch.manual_seed(0)
            with mode or nullcontext():
                loss = module.training_step(batch, 0)
            loss = loss["loss"] if isinstance(loss, dict) else loss
            if not isinstance(loss, Tensor):
                raise UserError(f"{type(module).__name__}.training_step returns no loss; this score needs one")
            yield loss

    def _ones(self, module: LightningModule) -> Tensor:
        """An example of ones."""
        batch = self._batch()
        examples = batch[0] if isinstance(batch, tuple | list) and batch else batch
        if not isinstance(examples, Tensor) or not examples.is_floating_point():
            found = str(examples.dtype) if isinstance(examples, Tensor) else type(examples).__name__
            raise UserError(
                f"a batch of training data begins with {found}; this score needs a tensor of floats there, in whose "
                "place it passes ones"
            )
        return torch.ones(1, *examples.shape[1:], dtype=torch.float64, device=module.device)
