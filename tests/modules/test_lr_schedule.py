"""The learning rate of a language model: changed after validations, bitwise equal when resumed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.language import NET_DROPOUTS, NETS, Rows, TinyText, language_model, trainer
from helpers.metrics import LANGUAGE_NAMES
from helpers.tiny import Probe, same, weights
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from app.common.errors import Interrupted
from callbacks import MetricsRecorder, ResumeCheckpoint
from datamodules import ShuffledWindowLoader

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

START = 20.0
MODES: dict[str, dict[str, Any]] = {
    "validation at the ends of epochs": {"max_epochs": 6},
    "validation within epochs": {"max_epochs": 4, "val_check_interval": 2},
    "validation by iterations": {
        "max_epochs": -1, "max_steps": 14, "val_check_interval": 2, "check_val_every_n_epoch": None,
    },
}  # fmt: skip
by_mode = pytest.mark.parametrize("mode", MODES)


def plateau(optimizer: torch.optim.Optimizer) -> ReduceLROnPlateau:
    return ReduceLROnPlateau(optimizer, factor=0.25, patience=0, threshold=0.0)


class ShuffledText(TinyText):
    """A text whose training windows are shuffled like those of the Wikipedia corpus."""

    def train_dataloader(self) -> ShuffledWindowLoader:  # type: ignore[override]
        return ShuffledWindowLoader(self._columns("train"), self.bptt, seed=self._window_seed)


class Training:
    """One training, with the learning rates of its iterations."""

    def __init__(
        self,
        mode: str,
        rows: Rows,
        *callbacks: Any,
        seed: int = 1,
        scheduler: Any = plateau,
        data: type[TinyText] = TinyText,
    ) -> None:
        net = NETS["ON-LSTM"](**NET_DROPOUTS)
        optimizer = lambda parameters: torch.optim.SGD(parameters, lr=START)  # noqa: E731
        self.module = language_model(net, seed=seed, optimizer=optimizer, lr_scheduler=scheduler)
        self.rates: list[float] = []
        probe = Probe(on_train_batch_start=lambda trainer, module, *_: self.rates.append(self.rate))
        recorder = MetricsRecorder(rows, LANGUAGE_NAMES)
        self.trainer = trainer([probe, recorder, *callbacks], **MODES[mode])
        self.seed, self.data = seed, data

    @property
    def rate(self) -> float:
        return float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def fit(self, checkpoint: Path | None = None) -> None:
        found = checkpoint if checkpoint is not None and checkpoint.exists() else None
        torch.manual_seed(self.seed)
        self.trainer.fit(self.module, self.data(bptt=13), ckpt_path=found, weights_only=True if found else None)


@by_mode
def test_a_quarter_whenever_validation_is_no_better(mode: str) -> None:
    rows = Rows()
    training = Training(mode, rows)
    training.fit()
    # The loop of Marvin and Linzen's main.py, over the losses that were logged.
    rate, best, expected, done = START, float("inf"), [], 0
    for row in rows:
        expected += [rate] * int(row["iteration"] - done)
        done = int(row["iteration"])
        if row["val_loss"] < best:
            best = row["val_loss"]
        else:
            rate /= 4.0
    assert training.rates[:done] == expected
    assert set(training.rates[done:]) <= {rate}
    assert training.rate == rate < START, "the losses never rose, and nothing was tested"


@by_mode
@pytest.mark.parametrize("data", [TinyText, ShuffledText])
def test_a_process_for_every_iteration(tmp_path: Path, mode: str, data: type[TinyText]) -> None:
    whole_rows, rows, path = Rows(), Rows(), tmp_path / "last.ckpt"
    whole = Training(mode, whole_rows, data=data)
    whole.fit()
    rates = []
    for processes in range(1, 100):
        checkpoint = ResumeCheckpoint(path, every_seconds=0.0, stop=lambda: True)
        training = Training(mode, rows, checkpoint, seed=processes, data=data)
        try:
            training.fit(path)
        except Interrupted:
            rates += training.rates
        else:
            rates += training.rates
            break
    assert processes == whole.trainer.global_step
    assert rates == whole.rates
    assert training.rate == whole.rate
    assert repr(rows) == repr(whole_rows)
    assert same(weights(training.module), weights(whole.module))


def test_other_schedulers_step_after_every_validation() -> None:
    training = Training("validation within epochs", rows := Rows(), scheduler=lambda o: LambdaLR(o, lambda n: 0.5**n))
    training.fit()
    assert training.rate == START * 0.5 ** len(rows)


def test_validating_alone_changes_nothing() -> None:
    training = Training("validation at the ends of epochs", Rows())
    training.fit()
    before = training.rate
    training.trainer.validate(training.module, TinyText(bptt=13), verbose=False)
    assert training.rate == before
