"""What waits for a metric at the end of an epoch does the same in a training that was stopped there."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import same, tiny_trainer, weights
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset

from app.common.errors import Interrupted
from callbacks import ResumeCheckpoint

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
]
EPOCHS = 12


class Module(LightningModule):
    """Lightning steps its plateau scheduler, as most users have it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 3)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", F.cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=2.0)
        scheduler = ReduceLROnPlateau(optimizer, patience=0, factor=0.7)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "val_loss"}}


def loader(rows: int, *, shuffle: bool) -> DataLoader:
    drawn = torch.Generator().manual_seed(rows)
    x, y = torch.randn(rows, 4, generator=drawn), torch.randint(3, (rows,), generator=drawn)
    return DataLoader(TensorDataset(x, y), batch_size=5, shuffle=shuffle)


def fit(seed: int, path: Path, *, stop: bool) -> tuple[dict[str, Tensor], int, float, list[float]]:
    """Train with new objects, as in a new process."""
    torch.manual_seed(seed)
    module, resume = Module(), ResumeCheckpoint(path, every_seconds=0.0, stop=lambda: stop)
    patience = EarlyStopping("val_loss", patience=3)
    trainer = tiny_trainer([patience, resume], max_epochs=EPOCHS, limit_val_batches=1.0, num_sanity_val_steps=0)
    found = path if path.exists() else None
    data = (loader(20, shuffle=True), loader(15, shuffle=False))
    trainer.fit(module, *data, ckpt_path=found, weights_only=True if found else None)
    scheduler = trainer.lr_scheduler_configs[0].scheduler
    kept = [float(scheduler.best), float(scheduler.num_bad_epochs), float(scheduler.last_epoch), patience.wait_count]
    return weights(module), trainer.global_step, trainer.optimizers[0].param_groups[0]["lr"], kept


def test_a_process_for_every_epoch(tmp_path: Path) -> None:
    whole = fit(1, tmp_path / "never.ckpt", stop=False)
    assert whole[2] < 2.0, "the plateau scheduler did nothing, so nothing is tested"
    assert whole[1] < 4 * EPOCHS, "early stopping did nothing, so nothing is tested"
    for process in range(1, 100):
        try:
            state, *rest = fit(1 if process == 1 else process, tmp_path / "last.ckpt", stop=True)
        except Interrupted:
            continue
        break
    assert process > 3
    assert rest == list(whole[1:])
    assert same(state, whole[0])
