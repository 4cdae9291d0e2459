"""Iterative pruning with rewinding between fits, as a Lightning callback."""

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle
from typing_extensions import override

from app.common.errors import UserError
from app.common.lightning_internals import reset_early_stopping, reset_loops, state_key
from app.common.plugins import build
from app.common.protocols import prunable_parameters
from app.common.states import check_state, plain_parameters, plain_state
from app.pruning import SCORES, Magnitude, Masks, Score, When, rewind, rewind_iteration, usual_rates
from app.pruning.masks import as_bits, check_names, clear_, dense_masks, density, survivors, weight_sizes
from app.pruning.scores import checked_scores
from app.pruning.select import SCOPES, check_kinds, check_rates, keep, prune
from callbacks.loss_gradients import LossGradients
from callbacks.optimizer_reset import OptimizerReset
from callbacks.trainer_state import iterations_per_epoch, refuse_strategy, rng_state, set_rng_state, training_length


class IterativePruningCallback(Callback):
    """Holds a ticket (masks, rewind point, round) and makes the next one between two fits.

    The first fit trains the dense network, round 0. Every later fit of the same callback begins with `next_round`: it
    prunes the surviving weights with the lowest scores and sets the survivors back to the values that they had at
    `rewind_to`; optimiser, schedulers, loops, early stopping and random numbers are reset. During a fit masked weights
    stay exactly 0.

    Frankle & Carbin, section 2 ("iterative pruning"). The module may declare what is pruned by a method
    `prunable_parameters()`, which returns a dictionary from parameter names to layer kinds; without it, all weights
    except those of embeddings and norms are pruned.

    Args:
        rates: share of the surviving weights removed per round, by layer kind, such as `{"fc": 0.2, "output": 0.1}`;
            by default 0.2, and 0.1 for the output layer.
        scope: "layerwise" ranks the weights of each tensor alone, "global" those of all tensors of one kind together.
        rewind_to: the moment to rewind to: "0it" (the paper), "500it", "2ep".
        score: decides which weights are kept: "magnitude", a class path, or a `Score`.

    Raises:
        UserError: (a ValueError) for a rate outside (0, 1), an unknown scope or score, or an invalid `rewind_to`.
    """

    def __init__(
        self,
        rates: dict[str, float] | None = None,
        scope: str = "layerwise",
        rewind_to: str = "0it",
        score: str | Score = "magnitude",
    ) -> None:
        if rates is not None:
            check_rates(rates)
        if scope not in SCOPES:
            raise UserError(f"scope is {scope!r}; choose one of {', '.join(SCOPES)}")
        self.rates = dict(rates) if rates is not None else None
        self.scope, self.rewind_to = scope, str(When.parse(rewind_to))
        self.score: Score = build(score, SCORES, Score, "score")  # type: ignore[type-abstract]
        # Computed once, because Lightning asks for it around every hook of every iteration.
        self._state_key = state_key(self, rates=self.rates, scope=scope, rewind_to=self.rewind_to)
        self.round = 0
        self.masks: Masks = {}
        self.rewind_point: dict[str, Tensor] = {}
        self.trained = False
        self._rng: dict[str, Any] = {}
        self._restore_rng = False
        self._rewind_iteration = 0
        self._masked: list[tuple[torch.nn.Parameter, Tensor]] = []
        self._hook: RemovableHandle | None = None
        self._trainer: weakref.ref[Trainer] | None = None
        self._optimizer_reset = OptimizerReset()
        self._batch: Any = None  # the first batch of the last training, for scores that need gradients

    @property
    @override
    def state_key(self) -> str:
        return self._state_key

    def adopt(
        self, masks: Mapping[str, Tensor], *, round: int, rewind_point: Mapping[str, Tensor] | None = None
    ) -> None:
        """Replace the current ticket by this one, on the weights that the module has at the next fit.

        Without a rewind point the next fit trains the ticket as it is. With a rewind point the ticket counts as
        trained, and `next_round` makes the one after it.

        Args:
            masks: bool masks by parameter name, True for survivors.
            round: the number of prunings; 0 records a new rewind point.
            rewind_point: the state of the network at `rewind_to`.
        """
        self.masks = {name: mask.detach().cpu().bool() for name, mask in masks.items()}
        self.round, self.trained, self.rewind_point = round, rewind_point is not None, dict(rewind_point or {})
        self._restore_rng, self._rng = False, {}

    def next_round(
        self,
        module: LightningModule,
        *,
        survivors_to_keep: Mapping[str, int] | None = None,
        score: Score | None = None,
        make_batch: Callable[[], Any] | None = None,
    ) -> None:
        """Prune the network that was just trained and rewind the survivors, in place.

        Args:
            module: holds the trained weights.
            survivors_to_keep: the exact number of weights to keep in each tensor; by default it follows from the rates.
            score: replaces the callback's own score.
            make_batch: returns a batch of training data, for scores that need gradients; by default the first batch of
                the last training.

        Raises:
            UserError: there is no rewind point: the dense training has not reached `rewind_to`.
            RunError: a weight is not finite.
        """
        if not self.rewind_point:
            raise UserError(f"there is nothing to rewind to: training has not passed {self.rewind_to} yet; fit first")
        check_names(self.masks, module, "the ticket")
        check_state(self.rewind_point, module, "the weights to rewind to")
        parameters, before, kinds = plain_parameters(module), survivors(self.masks), prunable_parameters(module)
        weights = {name: parameters[name].detach() for name in self.masks}
        gradients = LossGradients(module, make_batch or (lambda: self._batch))
        scores = checked_scores(score or self.score, weights, self.rewind_point, self.masks, gradients)
        if survivors_to_keep is not None:
            self.masks = keep(scores, self.masks, survivors_to_keep)
        else:
            self.masks = prune(scores, self.masks, kinds=kinds, rates=self._rates(kinds), scope=self.scope)
        self.round, self.trained, self._restore_rng = self.round + 1, False, bool(self._rng)
        rewind(module, self.rewind_point, self.masks)
        after = survivors(self.masks)
        rank_zero_info(
            f"round {self.round}: {sum(before.values()):,} -> {sum(after.values()):,} weights, "
            f"{density(weight_sizes(module), after):.2%} remaining, rewound to {self.rewind_to}"
        )

    def _rates(self, kinds: Mapping[str, str]) -> dict[str, float]:
        return self.rates if self.rates is not None else usual_rates(kinds)

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        refuse_strategy(trainer)
        kinds = prunable_parameters(pl_module)
        check_kinds(kinds, self._rates(kinds))
        if self.trained:
            self.next_round(pl_module)
            for callback in trainer.early_stopping_callbacks:
                reset_early_stopping(callback)
            if self._trainer is not None and self._trainer() is trainer:
                reset_loops(trainer)
        self._trainer = weakref.ref(trainer)
        if not self.masks:
            parameters = plain_parameters(pl_module)
            self.masks = dense_masks({name: parameters[name] for name in kinds})
        check_names(self.masks, pl_module, "the ticket")
        self._register(pl_module)
        self._unhook()
        self._hook = pl_module.register_load_state_dict_pre_hook(self._check_weights)  # type: ignore[no-untyped-call]

    def _register(self, module: LightningModule) -> None:
        """Register the masks as buffers beside their weights, so that they move with the module.

        The buffers are non-persistent, so that the keys of the module's state do not change: this callback saves them.
        """
        for owner, name in _owners(module, self.masks):
            owner.register_buffer(f"{name.rpartition('.')[2]}_mask", self.masks[name].clone(), persistent=False)

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the optimiser; Lightning restores a state to resume from only after this hook."""
        self._unhook()
        self._optimizer_reset.apply(trainer)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the masks to their buffers and apply them to the weights, now that everything is restored."""
        self._rewind_iteration = rewind_iteration(
            self.rewind_to,
            iterations=training_length(trainer),
            iterations_per_epoch=iterations_per_epoch(trainer),
        )
        parameters = plain_parameters(pl_module)
        self._masked = []
        for owner, name in _owners(pl_module, self.masks):
            buffer = owner.get_buffer(f"{name.rpartition('.')[2]}_mask")
            buffer.copy_(self.masks[name])
            if not self.masks[name].all():
                self._masked.append((parameters[name], as_bits(buffer, parameters[name])))
        self._apply_masks()
        if self._restore_rng:
            set_rng_state(self._rng, pl_module)
        self._restore_rng, self._batch = False, None
        self._record_rewind_point(trainer, pl_module)

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self._batch is None and not isinstance(self.score, Magnitude):
            self._batch = batch

    @override
    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Zero the gradients of masked weights; Lightning clips after this hook, so they do not count in the norm."""
        for parameter, bits in self._masked:
            if parameter.grad is not None:
                clear_(parameter.grad, bits)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Set masked weights to 0 again, because momentum and weight decay may have moved them."""
        self._apply_masks()
        self._record_rewind_point(trainer, pl_module)

    def _apply_masks(self) -> None:
        for parameter, bits in self._masked:
            clear_(parameter, bits)

    def _record_rewind_point(self, trainer: Trainer, module: LightningModule) -> None:
        if self.round == 0 and not self.rewind_point and trainer.global_step == self._rewind_iteration:
            self.rewind_point = plain_state(module)
            self._rng = rng_state(module)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.trained = True
        self._masked = []

    @override
    def state_dict(self) -> dict[str, Any]:
        """The ticket as tensors and plain values, so that it loads under `weights_only=True`."""
        return {
            "version": 2,
            "round": self.round,
            "trained": self.trained,
            "masks": self.masks,
            "rewind_point": self.rewind_point,
            "rng": self._rng,
        }

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict["version"] not in (1, 2):  # version 1 held only the state of torch's random numbers
            raise UserError(
                f"the checkpoint holds a ticket of version {state_dict['version']}; this code reads 1 and 2"
            )
        self.round, self.trained, self._rng = state_dict["round"], state_dict["trained"], state_dict["rng"]
        self.masks, self.rewind_point = dict(state_dict["masks"]), dict(state_dict["rewind_point"])
        self._restore_rng = False

    @staticmethod
    def _check_weights(module: torch.nn.Module, state: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
        if not prefix:
            check_state(state, module, "the checkpoint's weights")

    @override
    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        states = checkpoint.get("callbacks", {})
        if self.state_key in states:
            check_names(states[self.state_key]["masks"], pl_module, "the checkpoint")
            return
        for key in states:
            if key.startswith(type(self).__qualname__):
                raise UserError(f"the checkpoint's ticket was made with {key}, not {self.state_key}; use its options")

    @override
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._unhook()

    def _unhook(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None


def _owners(module: LightningModule, names: Mapping[str, Any]) -> list[tuple[torch.nn.Module, str]]:
    """Each of these parameters, given by plain name, with the submodule that owns it."""
    parameters = plain_parameters(module)
    by_id = {id(parameter): owner for owner in module.modules() for parameter in owner.parameters(recurse=False)}
    return [(by_id[id(parameters[name])], name) for name in names]
