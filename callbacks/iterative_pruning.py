"""Prune and rewind between fits: the lottery ticket, as a Lightning callback."""

import weakref
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loops.utilities import _reset_progress
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle
from typing_extensions import override

from app.common.errors import UserError
from app.pruning import select
from app.pruning.masks import (
    Masks,
    as_bits,
    check_names,
    check_state,
    clear_,
    dense_masks,
    density,
    prunable_kinds,
    rewind,
    survivors,
    weight_sizes,
)
from app.pruning.when import When, rewind_iteration
from callbacks.trainer_state import iterations_per_epoch, refuse_strategy, rng_state, set_rng_state, training_length


class IterativePruningCallback(Callback):
    """Owns a ticket (masks, rewind point, round) and draws the next one between two fits.

    The first fit trains the dense network, round 0. Every later fit of the same callback begins by pruning the smallest
    surviving weights of the fit before and setting the survivors back to where they were at `rewind_to`; optimiser,
    schedulers, loops, early stopping and random numbers begin anew. During a fit masked weights stay exactly 0.

    Frankle & Carbin, section 2 ("iterative pruning"). The module declares what may be pruned, by
    `prunable_parameters()`, a dictionary from parameter names to layer kinds.

    Args:
        rates: share of the surviving weights removed per round, by layer kind, such as `{"fc": 0.2, "output": 0.1}`.
        scope: "layerwise" ranks each tensor alone, "global" the tensors of one kind together.
        rewind_to: the moment to return to: "0it" (the paper), "500it", "2ep".

    Raises:
        UserError: (a ValueError) for a rate outside (0, 1), an unknown scope, a moment that cannot be read.
    """

    def __init__(self, rates: dict[str, float], scope: str = "layerwise", rewind_to: str = "0it") -> None:
        select.check_rates(rates)
        if scope not in select.SCOPES:
            raise UserError(f"scope is {scope!r}; choose one of {', '.join(select.SCOPES)}")
        self.rates, self.scope, self.rewind_to = dict(rates), scope, str(When.parse(rewind_to))
        # Kept, because Lightning asks for it around every hook of every iteration.
        self._state_key = self._generate_state_key(rates=self.rates, scope=scope, rewind_to=self.rewind_to)
        self.round = 0
        self.masks: Masks = {}
        self.rewind_point: dict[str, Tensor] = {}
        self.trained = False
        self._rng: list[Tensor] = []
        self._restore_rng = False
        self._rewind_iteration = 0
        self._masked: list[tuple[torch.nn.Parameter, Tensor]] = []
        self._hook: RemovableHandle | None = None
        self._trainer: weakref.ref[Trainer] | None = None
        self._fresh: list[tuple[Optimizer, dict[str, Any]]] = []

    @property
    @override
    def state_key(self) -> str:
        return self._state_key

    def adopt(self, masks: Mapping[str, Tensor], *, round: int) -> None:
        """Train this ticket next, on the weights that the module then has, instead of drawing one.

        Args:
            masks: bool survivors by parameter name.
            round: how many prunings they stand for; 0 records the rewind point anew.
        """
        self.masks = {name: mask.detach().cpu().bool() for name, mask in masks.items()}
        self.round, self.trained, self.rewind_point, self._restore_rng = round, False, {}, False

    def next_round(self, module: LightningModule) -> None:
        """Prune what has just been trained and rewind the survivors, in place.

        Raises:
            UserError: nothing to rewind to: the dense training has not passed `rewind_to`.
            RunError: weights that are not finite.
        """
        if not self.rewind_point:
            raise UserError(f"there is nothing to rewind to: training has not passed {self.rewind_to} yet; fit first")
        check_names(self.masks, module, "the ticket")
        parameters, before = dict(module.named_parameters()), survivors(self.masks)
        self.masks = select.prune(
            {name: parameters[name] for name in self.masks},
            self.masks,
            kinds=prunable_kinds(module),
            rates=self.rates,
            scope=self.scope,
        )
        self.round, self.trained, self._restore_rng = self.round + 1, False, True
        rewind(module, self.rewind_point, self.masks)
        after, sizes = survivors(self.masks), weight_sizes(module)
        rank_zero_info(
            f"round {self.round}: {sum(before.values()):,} -> {sum(after.values()):,} weights, "
            f"{density(sizes, after):.2%} remaining, rewound to {self.rewind_to}"
        )

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        refuse_strategy(trainer)
        select.check_kinds(prunable_kinds(pl_module), self.rates)
        if self.trained:
            self.next_round(pl_module)
            _reset_early_stopping(trainer)
            if self._trainer is not None and self._trainer() is trainer:
                _reset_loops(trainer)
        self._trainer = weakref.ref(trainer)
        parameters = dict(pl_module.named_parameters())
        if not self.masks:
            self.masks = dense_masks({name: parameters[name] for name in prunable_kinds(pl_module)})
        check_names(self.masks, pl_module, "the ticket")
        self._register(pl_module)
        self._unhook()
        self._hook = pl_module.register_load_state_dict_pre_hook(self._check_weights)  # type: ignore[no-untyped-call]

    def _register(self, module: LightningModule) -> None:
        """Hang the masks beside their weights as buffers, so that they go where the weights go.

        Not persistent: they are saved with this callback, and the module's state keeps the keys that it has without.
        """
        for name, mask in self.masks.items():
            owner, _, leaf = name.rpartition(".")
            module.get_submodule(owner).register_buffer(f"{leaf}_mask", mask.clone(), persistent=False)

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with a fresh optimiser also where the module hands out the same one again."""
        self._unhook()
        known = {id(optimizer): state for optimizer, state in self._fresh}
        for optimizer in trainer.optimizers:
            if id(optimizer) in known:
                optimizer.load_state_dict(known[id(optimizer)])
        # A state to resume from is restored after this.
        if any(_has_run(config.scheduler) for config in trainer.lr_scheduler_configs):
            raise UserError("configure_optimizers returned a scheduler that has already run; make a new one every time")
        self._fresh = [(optimizer, _copy(optimizer.state_dict())) for optimizer in trainer.optimizers]

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Everything is restored by now: masks reach their buffers, weights their masks."""
        self._rewind_iteration = rewind_iteration(
            self.rewind_to,
            iterations=training_length(trainer),
            iterations_per_epoch=iterations_per_epoch(trainer),
        )
        parameters = dict(pl_module.named_parameters())
        self._masked = []
        for name, mask in self.masks.items():
            buffer = pl_module.get_buffer(f"{name}_mask")
            buffer.copy_(mask)
            if not mask.all():
                self._masked.append((parameters[name], as_bits(buffer, parameters[name])))
        self._apply_masks()
        if self._restore_rng:
            set_rng_state(self._rng, pl_module)
        self._restore_rng = False
        self._record_rewind_point(trainer, pl_module)

    @override
    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Zero masked gradients; this comes before clipping, so that they take no part in the norm."""
        for parameter, bits in self._masked:
            if parameter.grad is not None:
                clear_(parameter.grad, bits)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Momentum and weight decay may have moved masked weights: zero them again."""
        self._apply_masks()
        self._record_rewind_point(trainer, pl_module)

    def _apply_masks(self) -> None:
        for parameter, bits in self._masked:
            clear_(parameter, bits)

    def _record_rewind_point(self, trainer: Trainer, module: LightningModule) -> None:
        if self.round == 0 and not self.rewind_point and trainer.global_step == self._rewind_iteration:
            self.rewind_point = {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
            self._rng = rng_state(module)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.trained = True
        self._masked = []

    @override
    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only, so that it loads under `weights_only=True`."""
        return {
            "version": 1,
            "round": self.round,
            "trained": self.trained,
            "masks": self.masks,
            "rewind_point": self.rewind_point,
            "rng": self._rng,
        }

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict["version"] != 1:
            raise UserError(f"the checkpoint holds a ticket of version {state_dict['version']}; this code reads 1")
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
                raise UserError(f"the checkpoint's ticket was drawn with {key}, not {self.state_key}; use its options")

    @override
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._unhook()

    def _unhook(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None


def _reset_early_stopping(trainer: Trainer) -> None:
    for callback in trainer.early_stopping_callbacks:
        best = torch.full_like(callback.best_score, -torch.inf if callback.monitor_op is torch.gt else torch.inf)
        begun = {"wait_count": 0, "stopped_epoch": 0, "best_score": best, "patience": callback.patience}
        callback.load_state_dict(begun)


def _reset_loops(trainer: Trainer) -> None:
    _reset_progress(trainer.fit_loop)
    trainer.fit_loop.epoch_loop._batches_that_stepped = 0


def _copy(state: dict[str, Any]) -> dict[str, Any]:
    """An optimiser's state before its first step: hyper-parameters and no tensors yet."""
    groups = [dict(group) for group in state["param_groups"]]
    return {"state": dict(state["state"]), "param_groups": groups}


def _has_run(scheduler: Any) -> bool:
    chained = getattr(scheduler, "_schedulers", ())
    return getattr(scheduler, "last_epoch", 0) > 0 or any(map(_has_run, chained))
