"""Scores that need gradients choose the same weights in whatever process."""

from collections.abc import Mapping
from pathlib import Path

import torch
from helpers.tiny_lottery import lottery
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from app.lottery.rounds import Lottery
from app.pruning import Masks, Score
from app.pruning.scores import Gradients
from app.runs.layout import NetworkKey
from app.runs.tensors import load_tensors


class Saliency(Score):
    """|weight x gradient| on the first batch."""

    def __call__(
        self,
        weights: Mapping[str, Tensor],
        starting_weights: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        gradients: Gradients,
    ) -> dict[str, Tensor]:
        found = gradients()
        return {name: (weights[name].cpu() * found[name]).abs() for name in masks}


def masks_of(root: Path, key: NetworkKey) -> Masks:
    return load_tensors(root / key.path / "mask.safetensors")


def test_an_interruption_changes_no_mask(tmp_path: Path) -> None:
    """A process that begins with the ticket has not trained the dense network of its replicate."""
    key = NetworkKey(1, "iterative", 1)
    lottery(tmp_path / "whole", score=Saliency(), replicates=2, rounds=1).run()
    lottery(tmp_path / "parts", score=Saliency(), replicates=2, rounds=0).run()
    lottery(tmp_path / "parts", score=Saliency(), replicates=2, rounds=1).run()
    whole, parts = masks_of(tmp_path / "whole", key), masks_of(tmp_path / "parts", key)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_plain_loader_gives_the_same_batch_again(tmp_path: Path) -> None:
    """It draws its order from torch's global generator, which stays as it was."""
    drawn: Lottery = lottery(tmp_path, score=Saliency(), rounds=1)
    drawn.data.setup("fit")
    rows = TensorDataset(torch.arange(90))
    drawn.data.train_dataloader = lambda: DataLoader(rows, batch_size=30, shuffle=True)  # type: ignore[method-assign]
    before = torch.random.get_rng_state()
    (first,), (second,) = (drawn._first_batch(NetworkKey(0, "iterative", 1)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(before, torch.random.get_rng_state())
