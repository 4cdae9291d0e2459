"""What is said at the start of how a training goes on after a stop."""

from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset

from app.training.length import resuming_note
from datamodules import TensorLoader


class Data(LightningDataModule):
    def __init__(self, loader: Any) -> None:
        super().__init__()
        self.loader = loader

    def train_dataloader(self) -> Any:
        return self.loader


ROWS = TensorDataset(torch.zeros(4, 1))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "goes on from the end of its last epoch, to the same bits"),
        ({"generator": torch.Generator()}, "has a generator of its own, whose state is in no checkpoint"),
        ({"num_workers": 1, "persistent_workers": True}, "has persistent_workers, whose state is in no checkpoint"),
    ],
    ids=["plain", "generator", "persistent workers"],
)
def test_a_plain_loader_says_where_it_goes_on(options: dict[str, Any], says: str) -> None:
    assert says in resuming_note(Data(DataLoader(ROWS, shuffle=True, **options)))


def test_a_loader_with_a_state_says_nothing() -> None:
    loader = TensorLoader((torch.zeros(4, 1), torch.zeros(4, dtype=torch.long)), batch_size=2)
    assert resuming_note(Data(loader)) == ""
