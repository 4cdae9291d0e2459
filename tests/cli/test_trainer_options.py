"""How the Trainer's options are read, and which are refused before anything is made."""

import inspect
from typing import Any

import pytest
from helpers.configs import parse
from lightning.pytorch import Trainer

from app.cli.trainer_options import check_trainer
from app.common.errors import UserError

FINE = {"accelerator": "cpu", "strategy": "auto", "devices": "auto", "barebones": False, "logger": None}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("strategy", "dpp", "trainer.strategy is dpp; did you mean ddp?"),
        ("strategy", "quick", "trainer.strategy is quick; expected one of auto, ddp, "),
        ("accelerator", "gpus", "trainer.accelerator is gpus; did you mean gpu?"),
        ("accelerator", "abacus", "trainer.accelerator is abacus; expected one of auto, gpu, "),
        ("devices", 0, "trainer.devices is 0: nothing to train on; set it to auto, or to 1 or more"),
        ("devices", "0", "trainer.devices is 0: nothing"),
        ("devices", [], r"trainer.devices is []: nothing"),
        ("devices", None, "trainer.devices is None: nothing"),
        ("barebones", True, "trainer.barebones trains without validation and checkpoints"),
        ("logger", True, "trainer.logger is true"),
    ],
)
def test_refused(name: str, value: Any, says: str) -> None:
    with pytest.raises(UserError) as error:
        check_trainer(FINE | {name: value}, in_run=True)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("strategy", "ddp"),
        ("accelerator", "auto"),
        ("devices", 1),
        ("devices", [0]),
        ("devices", -1),
        ("logger", False),
    ],
)
def test_accepted(name: str, value: Any) -> None:
    check_trainer(FINE | {name: value}, in_run=True)


def test_outside_of_run_directories_lightning_may_do_as_it_does() -> None:
    check_trainer(FINE | {"barebones": True, "logger": True}, in_run=False)


@pytest.mark.parametrize("accelerator", ["gpu", "cuda"])
def test_an_accelerator_that_is_not_there(accelerator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning.pytorch.accelerators.cuda.CUDAAccelerator.is_available", lambda: False)
    monkeypatch.setattr("lightning.pytorch.accelerators.mps.MPSAccelerator.is_available", lambda: False)
    with pytest.raises(UserError, match=f"accelerator is {accelerator}, and PyTorch .* finds none here; set it to cpu"):
        check_trainer(FINE | {"accelerator": accelerator}, in_run=False)


def test_an_accelerator_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning.pytorch.accelerators.cuda.CUDAAccelerator.is_available", lambda: True)
    check_trainer(FINE | {"accelerator": "gpu"}, in_run=False)


@pytest.mark.parametrize(("text", "value"), [("4", 4), ("0.5", 0.5), ("1", 1), ("1.0", 1.0)])
def test_a_whole_number_of_batches_is_a_count(text: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was imported before Lightning: `typing` may then have turned `int` and `float` round in its types."""
    turned = dict.fromkeys(("limit_train_batches", "limit_val_batches", "val_check_interval"), float | int | None)
    for name, hint in turned.items():
        monkeypatch.setitem(inspect.unwrap(Trainer.__init__).__annotations__, name, hint)
    words = [word for name in turned for word in (f"--trainer.{name}", text)]
    parsed = parse("fit", "--config", "configs/lenet.yaml", *words, monkeypatch=monkeypatch).trainer
    for name in turned:
        assert (parsed[name], type(parsed[name])) == (value, type(value))
