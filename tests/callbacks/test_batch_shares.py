"""A process's gradient counts by its rows; the loss that is logged does not change."""

import pytest
import torch
from helpers.tiny import TinyModule
from lightning.pytorch import Trainer

from callbacks import BatchShares, batch_shares
from datamodules import TensorLoader


@pytest.mark.parametrize(("rank", "rows"), [(0, 2), (1, 1)])
def test_a_gradient_is_weighted_by_the_rows(rank: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = TensorLoader((torch.arange(3.0),), 3, shuffle_seed=0, rank=rank, world_size=2)
    ((batch,),) = loader
    assert len(batch) == rows
    monkeypatch.setattr(batch_shares, "train_loaders", lambda trainer: [loader])
    weight = torch.ones(1, requires_grad=True)
    loss = (weight * batch).mean()
    BatchShares().on_before_backward(Trainer(accelerator="cpu", logger=False), TinyModule(), loss)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(batch.mean()))
    assert float(weight.grad) == pytest.approx(float(batch.sum()) / 3 * 2)
