"""Interrupted after any iteration and resumed, an inference classifier ends bitwise equal to an uninterrupted one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.language import Rows, trainer
from helpers.tiny import same, weights
from lightning.pytorch.cli import ReduceLROnPlateau
from test_inference import NAMES, tiny_data

from app.common.errors import Interrupted
from app.modules import InferenceClassifier
from app.nets import ONLSTM
from callbacks import MetricsRecorder, ResumeCheckpoint

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

EPOCHS = 3


def fit(rows: Rows, seed: int, path: Path | None = None, *, stop: bool = False) -> tuple[dict[str, Any], int]:
    """Resume from the checkpoint with new objects, as in a new process."""
    torch.manual_seed(seed)
    module = InferenceClassifier(
        ONLSTM(4, [6], 2),
        optimizer=lambda p: torch.optim.Adam(p, lr=1e-2),
        lr_scheduler=lambda optimizer: ReduceLROnPlateau(optimizer, "val_accuracy", mode="max", patience=0),
    )
    callbacks: list[Any] = [MetricsRecorder(rows, NAMES)]
    if path is not None:
        callbacks.append(ResumeCheckpoint(path, every_seconds=0.0, stop=lambda: stop))
    run = trainer(callbacks, max_epochs=EPOCHS)
    found = path if path is not None and path.exists() else None
    run.fit(module, tiny_data(batch_size=48), ckpt_path=found, weights_only=True if found else None)
    rate = torch.tensor(run.optimizers[0].param_groups[0]["lr"], dtype=torch.float64)
    state = weights(module) | {"rng": torch.get_rng_state(), "rate": rate}
    return state | {f"moment {n}": s["exp_avg_sq"] for n, s in enumerate(run.optimizers[0].state.values())}, (
        run.global_step
    )


def test_a_process_for_every_iteration(tmp_path: Path):
    whole_rows, rows = Rows(), Rows()
    whole, steps = fit(whole_rows, 1)
    assert whole["rate"] < 1e-2, "no plateau, so nothing of its scheduler is tested"
    for processes in range(1, 100):
        try:
            state, done = fit(rows, processes, tmp_path / "last.ckpt", stop=True)
        except Interrupted:
            continue
        break
    assert processes == done == steps
    assert repr(rows) == repr(whole_rows)
    assert same(state, whole)
