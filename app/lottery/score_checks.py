"""Whether the scores that need gradients can be computed for a module, before anything is trained."""

from lightning.pytorch import LightningDataModule, LightningModule

from app.common.errors import UserError
from app.common.prunable import prunable_parameters
from app.common.seeds import seeded
from app.common.states import plain_parameters, plain_state
from app.lottery.methods import AtInitialisation
from app.lottery.settings import Pruning
from app.pruning import dense_masks
from app.pruning.scores import SNIP, GraSP, SynFlow, checked_scores
from callbacks.loss_gradients import LossGradients


def check_scores(settings: Pruning, model: LightningModule, data: LightningDataModule) -> None:
    """Compute each of them once, at the weights that the module has, on the first batch of training data.

    Args:
        settings: of the lottery.
        model: the module to prune.
        data: set up for a training.

    Raises:
        UserError: one cannot be computed, such as that of GraSP where a loss has no second derivatives.
    """
    scores = {method.name: method.ranking() for method in settings.all_methods if isinstance(method, AtInitialisation)}
    if isinstance(settings.built_score, SNIP | GraSP | SynFlow):
        scores["pruning.score"] = settings.built_score
    if not scores:
        return
    with seeded(0):
        batch = next(iter(data.train_dataloader()))
    parameters = plain_parameters(model)
    weights = {name: parameters[name].detach() for name in prunable_parameters(model)}
    masks = dense_masks(weights)
    for name, score in scores.items():
        try:
            checked_scores(score, weights, plain_state(model), masks, LossGradients(model, lambda: batch, masks))
        except UserError as error:
            raise UserError(f"{name} cannot rank the weights of this network: {error}") from None
