"""Workers are refused where they cannot work."""

import signal

import pytest
from lightning.pytorch import Trainer

from app.common.errors import UserError
from app.lottery.settings import Pruning
from app.lottery.workers.limits import check_workers


def test_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(accelerator="cpu", devices=1, logger=False, enable_progress_bar=False)
    settings = Pruning(workers=2, oversubscribe=True)
    check_workers(settings, trainer, 1)
    monkeypatch.delattr(signal, "pthread_sigmask")
    with pytest.raises(UserError, match=r"pruning\.workers is 2, which Windows cannot do; use --pruning\.workers 1"):
        check_workers(settings, trainer, 1)
    check_workers(Pruning(), trainer, 1)
