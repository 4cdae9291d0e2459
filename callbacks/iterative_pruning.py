"""Iterative pruning with rewinding between fits, as a Lightning callback."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle
from typing_extensions import override

from app.common.errors import RunError, UserError
from app.common.lightning_internals import average_from, is_resuming, state_key
from app.common.prunable import prunable_parts
from app.common.states import check_state, load_plain_state, plain_parameters, plain_state
from app.pruning import Magnitude, Score, rewind, rewind_iteration
from app.pruning.masks import check_names, dense_masks
from app.pruning.parts import kinds_of
from app.pruning.rates import check_kinds
from callbacks.first_random_numbers import FirstRandomNumbers
from callbacks.fit_reset import end_fit, reset_fit
from callbacks.kept_weights import KeptWeights
from callbacks.masked_weights import MaskedWeights
from callbacks.optimizer_reset import OptimizerReset
from callbacks.same_masks import check_same_masks
from callbacks.ticket import Ticket
from callbacks.trainer_state import (
    is_complete,
    iterations_per_epoch,
    refuse_strategy,
    training_length,
)

# What state keys call a scope, where that is another word than its name.
KEYS = {"kind": "global", "global": "all"}


class IterativePruningCallback(Ticket, Callback):
    """Holds a ticket (masks, rewind point, round) and makes the next one between two fits.

    The first fit trains the dense network, round 0. Every later fit of the same callback begins with `next_round`: it
    prunes the surviving weights with the lowest scores and sets the survivors back to the values that they had at
    `rewind_to`. Then it trains its full length: optimiser, schedulers, loops, early stopping, checkpoints and averages
    of Lightning's callbacks begin anew, with the batches and the random numbers that the dense training began with,
    whether Trainer and callbacks are new or the same. During a fit masked weights stay exactly 0.

    What is pruned are the weights at the end of the last fit, also if `trainer.test(ckpt_path="best")` has loaded
    others since. A fit that an exception ended is begun again by the next one, unless that resumes a checkpoint.

    Frankle & Carbin, section 2 ("iterative pruning"). The module may declare what is pruned by a method
    `prunable_parameters()`, which returns a dictionary from parameter names to layer kinds, or kinds of their rows;
    without it, all weights except those of embeddings and norms are pruned.

    Args:
        rates: share of the surviving weights removed per round, by layer kind, such as `{"fc": 0.2, "output": 0.1}`;
            by default 0.2, and 0.1 for the output layer.
        scope: "layerwise" ranks the weights of each tensor alone, "kind" those of all tensors of one kind together,
            "global" all prunable weights together.
        rewind_to: the moment to rewind to: "0it" (the paper), "500it", "2ep".
        score: decides which weights are kept: "magnitude", a class path, or a `Score`.
        least_per_layer: number of weights that every tensor keeps, or all where it has fewer.

    Raises:
        UserError: (a ValueError) for a rate outside (0, 1), several rates where the scope needs one, an unknown scope
            or score, or an invalid `rewind_to` or `least_per_layer`.
    """

    def __init__(
        self,
        rates: dict[str, float] | None = None,
        scope: str = "layerwise",
        rewind_to: str = "0it",
        score: str | Score = "magnitude",
        least_per_layer: int = 0,
    ) -> None:
        super().__init__(rates, scope, rewind_to, score, least_per_layer)
        # Computed once, because Lightning asks for it around every hook of every iteration.
        self._state_key = self._key_of_scope(self.scope)
        self._rewind_iteration = 0
        self._weights = KeptWeights()
        self._has_fitted = self._measuring = self._resumes = self._is_first = False
        self._refusal: UserError | RunError | None = None
        self._masked = MaskedWeights()
        self._hook: RemovableHandle | None = None
        self._optimizer_reset, self._random_numbers = OptimizerReset(), FirstRandomNumbers()

    @property
    @override
    def state_key(self) -> str:
        return self._state_key

    def _key_of_scope(self, scope: str) -> str:
        """The state key that it has with a scope; old checkpoints call `kind` global, and have no least number."""
        least = {"least_per_layer": self.least_per_layer} if self.least_per_layer else {}
        return state_key(self, rates=self.rates, scope=KEYS.get(scope, scope), rewind_to=self.rewind_to, **least)

    @override
    def adopt(
        self, masks: Mapping[str, Tensor], *, round: int, rewind_point: Mapping[str, Tensor] | None = None
    ) -> None:
        super().adopt(masks, round=round, rewind_point=rewind_point)
        self._random_numbers.state, self._weights = {}, KeptWeights()

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begin a round before anything is made of the weights; layers may be made after this hook.

        Whether the fit resumes a checkpoint is not known yet. If so, the checkpoint will replace all of this.
        """
        self._measuring = stage != "fit"
        if self._measuring:
            return
        refuse_strategy(trainer)
        if sum(isinstance(each, IterativePruningCallback) for each in trainer.callbacks) > 1:  # type: ignore[attr-defined]
            raise UserError("a fit takes one IterativePruningCallback, and a lottery has its own; remove the other")
        self._unhook()
        self._refusal = None
        try:
            self._begin(pl_module)
        except (UserError, RunError) as error:
            self._refusal = error
        if self._has_fitted:
            reset_fit(trainer)
        self._has_fitted = True
        self._weights.note_given(pl_module)
        self._hook = pl_module.register_load_state_dict_pre_hook(self._check_weights)  # type: ignore[no-untyped-call]

    def _begin(self, module: LightningModule) -> None:
        if self.trained:
            check_names(self.masks, module, "the ticket")
            self._weights.put_end(module)
            self.next_round(module)
        elif self.unfinished:
            self._start_again(module)

    def _start_again(self, module: LightningModule) -> None:
        """Put back what the last fit began with, because it did not come to its end."""
        if self._weights.start:
            load_plain_state(module, self._weights.start, "the weights to start again from")
        elif self.starts_at_rewind_point:
            rewind(module, self.rewind_point, self.masks)
        else:
            raise UserError(
                f"the training of round {self.round} has not come to its end, and the weights that it began with are "
                "in another process; resume it: trainer.fit(..., ckpt_path=...)"
            )
        rank_zero_info(f"the last training of round {self.round} did not come to its end: it begins again")

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with the ticket's weights, a new optimiser and the first random numbers.

        Now all layers are there and are on their device. Lightning restores the optimiser to resume from after this
        hook, and makes iterators of the loaders, which draw random numbers.
        """
        self._unhook()
        resumes = is_resuming(trainer)
        if self._refusal is not None and not resumes:
            raise self._refusal
        self._resumes, self._refusal = resumes, None
        self._weights.put_modes(pl_module)
        parts = prunable_parts(pl_module)
        kinds = kinds_of(parts)
        check_kinds(kinds, self.rates_for(kinds))
        if not self.masks:
            parameters = plain_parameters(pl_module)
            self.masks = dense_masks({part.parameter: parameters[part.parameter] for part in parts.values()})
        elif not resumes:
            self._weights.put_given(pl_module)
        check_names(self.masks, pl_module, "the ticket")
        if trainer.world_size > 1:
            check_same_masks(self.masks, self.round)
        self._masked.hold(pl_module, self.masks)
        self._optimizer_reset.apply(trainer)
        if not resumes:
            for callback in trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(callback, WeightAveraging):
                    average_from(callback, pl_module)
            self._random_numbers.begin(trainer, pl_module)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Apply the masks to the weights, now that everything is restored."""
        self._random_numbers.stop()
        self._rewind_iteration = rewind_iteration(
            self.rewind_to,
            iterations=training_length(trainer),
            iterations_per_epoch=iterations_per_epoch(trainer),
        )
        if self.round == 0 and not self.rewind_point and trainer.global_step > self._rewind_iteration:
            raise UserError(
                f"the checkpoint is of iteration {trainer.global_step} and holds no weights of {self.rewind_to} to "
                "rewind to; resume one that was made with this callback, or train from the start"
            )
        self._masked.hold(pl_module, self.masks)
        self.first_batch, self.unfinished, self._weights.end = None, True, {}
        self._is_first = not self._resumes
        self._record_rewind_point(trainer, pl_module)
        if not self._resumes and not self.starts_at_rewind_point:
            self._weights.keep_start(pl_module)
        self._weights.keep_modes(pl_module)

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self._is_first:
            self._is_first = False
            self._random_numbers.compare(batch)
        if self.first_batch is None and not isinstance(self.score, Magnitude):
            self.first_batch = batch

    def listens(self, trainer: Trainer) -> bool:
        """Whether the next iteration has something to note; who does it without hooks keeps masked weights at 0."""
        wants_batch = self.first_batch is None and not isinstance(self.score, Magnitude)
        ends_at = trainer.global_step + 1
        notes_point = self.round == 0 and not self.rewind_point and ends_at >= self._rewind_iteration
        return self._is_first or wants_batch or notes_point

    @override
    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Zero the gradients of masked weights; Lightning clips after this hook, so they do not count in the norm."""
        self._masked.clear_gradients()

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Set masked weights to 0 again, because momentum and weight decay may have moved them."""
        self._masked.clear()
        self._record_rewind_point(trainer, pl_module)

    def _record_rewind_point(self, trainer: Trainer, module: LightningModule) -> None:
        # Not ==, because several optimisers take several steps in one iteration.
        if self.round == 0 and not self.rewind_point and trainer.global_step >= self._rewind_iteration:
            self.rewind_point = plain_state(module)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.trained = True

    @override
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep what was trained; other callbacks may have changed it at the end of the training."""
        if self._resumes and not self.trained and is_complete(trainer):
            self.trained = True  # the checkpoint was of the very end, so that no iteration was left
        if trainer.world_size > 1:
            check_same_masks(self.masks, self.round)
        if self.trained:
            self.unfinished = False
            self._masked.hold(pl_module, self.masks)
            self._weights.keep_end(pl_module)
        self._masked.release()

    @override
    def state_dict(self) -> dict[str, Any]:
        """The ticket as tensors and plain values, so that it loads under `weights_only=True`."""
        return {
            "version": 2,
            "round": self.round,
            "trained": self.trained,
            "masks": self.masks,
            "rewind_point": self.rewind_point,
            "rng": self._random_numbers.state,
        }

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict["version"] not in (1, 2):  # version 1 held only the state of torch's random numbers
            raise UserError(
                f"the checkpoint holds a ticket of version {state_dict['version']}; this code reads 1 and 2"
            )
        if self._measuring:  # Lightning also loads states for a test, which is not to change the ticket
            return
        if self.round != state_dict["round"]:
            self._weights.start = {}
        self._weights.end, self.unfinished = {}, False
        self.round, self.trained = state_dict["round"], state_dict["trained"]
        # Of version 1 it is no dictionary: what it lacks is noted in the next fit.
        self._random_numbers.state = state_dict["rng"] if isinstance(state_dict["rng"], dict) else {}
        self.masks, self.rewind_point = dict(state_dict["masks"]), dict(state_dict["rewind_point"])

    @staticmethod
    def _check_weights(module: torch.nn.Module, state: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
        if not prefix and getattr(module, "strict_loading", True):
            check_state(state, module, "the checkpoint's weights")

    @override
    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self._measuring:
            return
        states = checkpoint.get("callbacks", {})
        if self.state_key in states:
            if masks := states[self.state_key]["masks"]:
                check_names(masks, pl_module, "the checkpoint")
            return
        if self.scope == "global" and self._key_of_scope("kind") in states:
            raise UserError("the checkpoint's ticket has scope kind, which was called global before; use scope kind")
        for key in states:
            if key.startswith(type(self).__qualname__):
                raise UserError(f"the checkpoint's ticket was made with {key}, not {self.state_key}; use its options")
        if self.round > 0:
            raise UserError("the checkpoint holds no ticket, and this callback has pruned already; use a new one")

    @override
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._leave(trainer)

    @override
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.trained &= not self.unfinished
        self._leave(trainer)

    def _leave(self, trainer: Trainer) -> None:
        if self._measuring:
            self._weights.overwritten |= trainer.ckpt_path is not None
        else:
            end_fit(trainer)
        self._unhook()
        self._random_numbers.stop()
        self._masked.release()
        self._measuring = False

    def _unhook(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None
