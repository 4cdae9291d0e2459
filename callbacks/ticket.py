"""A ticket, and how the next one is made of the network that was just trained."""

from collections.abc import Callable, Mapping
from typing import Any

from lightning.pytorch import LightningModule
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from app.common.errors import UserError
from app.common.plugins import build
from app.common.prunable import prunable_parts
from app.common.states import check_state, plain_parameters
from app.pruning import SCORES, Masks, Score, When, rewind, usual_rates
from app.pruning.masks import check_names, density, survivors, weight_sizes
from app.pruning.parts import joined, kinds_of, part_pools_to_keep, split
from app.pruning.pools import SCOPES, after_pruning, in_steps, pools
from app.pruning.rates import check_kinds, check_rates
from app.pruning.scores import checked_scores
from app.pruning.select import keep_in_pools
from callbacks.loss_gradients import LossGradients


class Ticket:
    """Masks, the weights to rewind to, and the rules of a pruning; `IterativePruningCallback` trains it.

    Args:
        rates: share of the surviving weights removed per round, by layer kind; None for the usual ones.
        scope: "layerwise", "kind" or "global".
        rewind_to: the moment to rewind to.
        score: decides which weights are kept.
        least_per_layer: number of weights that every tensor keeps, or all where it has fewer; where its rows are of
            several kinds, those of each.

    Attributes:
        round: the number of prunings; 0 is the dense network.
        masks: by parameter name, True for survivors; empty before the first fit.
        rewind_point: the state at `rewind_to`; empty before the dense training has passed it.
        trained: whether the training of this round has come to its end.
        unfinished: whether the training of this round has begun and not come to its end.
        first_batch: of the last training, for scores that need gradients.

    Raises:
        UserError: for a rate outside (0, 1), several rates where the scope needs one, an unknown scope or score, or an
            invalid `rewind_to` or `least_per_layer`.
    """

    def __init__(
        self,
        rates: dict[str, float] | None,
        scope: str,
        rewind_to: str,
        score: str | Score,
        least_per_layer: int = 0,
    ) -> None:
        if scope not in SCOPES:
            raise UserError(f"scope is {scope!r}; choose one of {', '.join(SCOPES)}")
        if rates is not None:
            check_rates(rates, scope)
        if isinstance(least_per_layer, bool) or not isinstance(least_per_layer, int) or least_per_layer < 0:
            raise UserError(f"least_per_layer is {least_per_layer!r}; expected a whole number of weights, 0 or more")
        self.rates = dict(rates) if rates is not None else None
        self.scope, self.rewind_to = scope, str(When.parse(rewind_to))
        self.least_per_layer = least_per_layer
        self.score: Score = build(score, SCORES, Score, "score")  # type: ignore[type-abstract]
        self.round = 0
        self.masks: Masks = {}
        self.rewind_point: dict[str, Tensor] = {}
        self.trained = self.unfinished = False
        self.first_batch: Any = None

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
        self.unfinished = False

    def next_round(
        self,
        module: LightningModule,
        *,
        survivors_to_keep: Mapping[str, int] | int | None = None,
        score: Score | None = None,
        make_batch: Callable[[], Any] | None = None,
    ) -> None:
        """Prune the network that was just trained and rewind the survivors, in place.

        Args:
            module: holds the trained weights; the weights that it has now are pruned.
            survivors_to_keep: the exact number of weights to keep in each tensor or each of its parts, or in all of
                them together, where all are ranked together; by default it follows from rates and scope.
            score: replaces the callback's own score.
            make_batch: returns a batch of training data, for scores that need gradients; by default the first batch of
                the last training.

        Raises:
            UserError: there is no rewind point, because the dense training has not reached `rewind_to`; the last
                training did not come to its end; or `survivors_to_keep` does not fit.
            RunError: a weight is not finite.
        """
        if self.unfinished:
            raise UserError(f"the training of round {self.round} has not come to its end; fit again first")
        if not self.rewind_point:
            raise UserError(f"there is nothing to rewind to: training has not passed {self.rewind_to} yet; fit first")
        check_names(self.masks, module, "the ticket")
        check_state(self.rewind_point, module, "the weights to rewind to")
        parameters, parts = plain_parameters(module), prunable_parts(module)
        kinds, before = kinds_of(parts), survivors(split(self.masks, parts))
        least = 0 if isinstance(survivors_to_keep, Mapping) else self.least_per_layer
        if survivors_to_keep is not None:
            counts = part_pools_to_keep(survivors_to_keep, before, survivors(self.masks), parts)
            left = {pool: sum(before[name] for name in pool) for pool in counts}
        else:
            check_kinds(kinds, self.rates_for(kinds))
            left = {pool: sum(before[name] for name in pool) for pool in pools(kinds, self.scope)}
            counts = after_pruning(left, before, kinds, self.rates_for(kinds), least)
        weights = {name: parameters[name].detach() for name in self.masks}
        score, masks = score or self.score, self.masks
        for each in in_steps(left, counts, score.steps):
            gradients = LossGradients(module, make_batch or (lambda: self.first_batch), masks)
            scores = checked_scores(score, weights, self.rewind_point, masks, gradients)
            masks = joined(masks, keep_in_pools(split(scores, parts), split(masks, parts), each, least), parts)
        self.masks = masks
        self.round, self.trained = self.round + 1, False
        rewind(module, self.rewind_point, self.masks)
        after = survivors(self.masks)
        rank_zero_info(
            f"round {self.round}: {sum(before.values()):,} -> "
            f"{sum(survivors(split(self.masks, parts)).values()):,} weights, "
            f"{density(weight_sizes(module), after):.2%} remaining"
        )

    def rates_for(self, kinds: Mapping[str, str]) -> dict[str, float]:
        """The rate of every layer kind.

        Args:
            kinds: layer kinds by name of the parameter or its part.
        """
        return self.rates if self.rates is not None else usual_rates(kinds, self.scope)

    @property
    def starts_at_rewind_point(self) -> bool:
        """Whether a training of this round starts with the weights to rewind to."""
        return bool(self.rewind_point) and (self.round > 0 or When.parse(self.rewind_to).count == 0)
