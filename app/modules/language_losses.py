"""Losses and perplexities of a language model over a whole text, by the authors' convention and exactly."""

import torch
from lightning.pytorch import Trainer
from torch import Tensor


class LossSums:
    """Summed loss in nats and number of predicted tokens since the last reset.

    In float64, so that a mean does not depend on how the text was cut into windows. Not a buffer of the module: buffers
    follow the precision of the weights, and DDP overwrites them with the first rank's.
    """

    def __init__(self) -> None:
        self.values = torch.zeros(2, dtype=torch.float64)

    def reset(self, device: torch.device) -> None:
        """Set the sums to zero. Makes a new tensor, because one made while testing remains an inference tensor."""
        self.values = torch.zeros(2, dtype=torch.float64, device=device)

    def add(self, mean_loss: Tensor, tokens: int) -> None:
        """Add a window: its mean loss in nats per token, and the number of tokens predicted."""
        self.values[0].add_(mean_loss.detach(), alpha=tokens)
        self.values[1].add_(tokens)

    def over_ranks(self, trainer: Trainer) -> Tensor:
        """(nats, tokens), summed over all ranks."""
        return trainer.strategy.reduce(self.values.clone(), reduce_op="sum")


def text_losses(stage: str, nats: Tensor, tokens: Tensor, columns: Tensor) -> dict[str, Tensor]:
    """Mean losses and perplexities of a text, by the names under which they are logged.

    Args:
        stage: "val" or "test"; the names begin with it.
        nats: the text's loss, summed.
        tokens: how many tokens were predicted.
        columns: into how many columns the text was cut. The first token of a column is not predicted; the authors
            nevertheless divide by all tokens, and `_exact` by those predicted.

    Returns:
        `{stage}_loss`, `{stage}_loss_exact` in nats per token, then `{stage}_perplexity`, `{stage}_perplexity_exact`.
    """
    losses = {f"{stage}_loss": nats / (tokens + columns), f"{stage}_loss_exact": nats / tokens}
    return losses | {name.replace("loss", "perplexity"): loss.exp() for name, loss in losses.items()}
