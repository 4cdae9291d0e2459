"""A training that does not log what its best validation is chosen by ends at once, in one line."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import TinyData, TinyModule, tiny_trainer, with_validation
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from app.common.errors import UserError
from callbacks import RequiredMetric

MISSING = "val_f1"


def fit(*callbacks: Any, module: TinyModule | None = None, **arguments: Any) -> TinyModule:
    module = module or TinyModule()
    data = TinyData()
    data.val_dataloader = data.test_dataloader  # type: ignore[method-assign]
    tiny_trainer(callbacks, **with_validation(2, max_steps=6) | arguments).fit(module, data)
    return module


class Silent(TinyModule):
    """Logs nothing at validations."""

    def on_validation_epoch_end(self) -> None:
        self.val_losses.clear()


def test_what_is_logged_is_let_through() -> None:
    module = fit(RequiredMetric("val_loss"))
    assert module.trainer.global_step == 6


@pytest.mark.parametrize(
    ("module", "logs"),
    [
        (TinyModule, "it logs val_loss; set --best.monitor to one of them"),
        (Silent, 'it logs nothing there; add self.log("val_f1", ...) to its validation_step'),
    ],
)
def test_what_is_missing_is_named_with_what_there_is(module: type[TinyModule], logs: str) -> None:
    with pytest.raises(UserError) as raised:
        fit(RequiredMetric(MISSING), module=module(), num_sanity_val_steps=0)
    assert str(raised.value) == (
        f"best.monitor is 'val_f1', which {module.__name__} does not log at validations; {logs}"
    )


def test_it_is_found_missing_before_anything_is_trained() -> None:
    module = TinyModule()
    with pytest.raises(UserError, match="does not log at validations"):
        fit(RequiredMetric(MISSING), module=module)
    assert module.trainer.global_step == 0


def test_it_comes_before_what_lightning_would_say(tmp_path: Path) -> None:
    """Whose checkpoint and early stopping would fail with an error of their own, of several sentences."""
    best = ModelCheckpoint(tmp_path, monitor=MISSING, save_on_train_epoch_end=False)
    for arguments in ({"num_sanity_val_steps": 0}, {}):
        with pytest.raises(UserError, match=r"best\.monitor is 'val_f1'"):
            fit(RequiredMetric(MISSING), best, enable_checkpointing=True, **arguments)
    with pytest.raises(Exception, match=MISSING) as raised:
        fit(best, enable_checkpointing=True, num_sanity_val_steps=0)
    assert not isinstance(raised.value, UserError), "this test is of no use any more"
    with pytest.raises(UserError, match=r"best\.monitor is 'val_f1'"):
        fit(RequiredMetric(MISSING), EarlyStopping(MISSING), num_sanity_val_steps=0)


def test_measuring_alone_requires_nothing() -> None:
    tiny_trainer([RequiredMetric(MISSING)], limit_val_batches=1.0).validate(
        TinyModule(), TinyData().test_dataloader(), verbose=False
    )


class Undefined(TinyModule):
    """Logs nan at its first validations."""

    def __init__(self, undefined: int) -> None:
        super().__init__()
        self.undefined = undefined

    def on_validation_epoch_end(self) -> None:
        self.undefined -= 1
        self.log("val_f1", torch.nan if self.undefined >= 0 else 1.0)


def test_a_metric_may_be_undefined_in_the_beginning() -> None:
    assert fit(RequiredMetric("val_f1"), module=Undefined(1)).trainer.global_step == 6
    with pytest.raises(UserError, match=r"'val_f1', of which Undefined has logged no number at 2 validations \(nan\)"):
        fit(RequiredMetric("val_f1"), module=Undefined(9))


def test_it_may_be_undefined_later() -> None:
    class Later(TinyModule):
        def on_validation_epoch_end(self) -> None:
            self.log("val_f1", torch.nan if self.global_step > 2 else 1.0)

    assert fit(RequiredMetric("val_f1"), module=Later(), max_steps=10).trainer.global_step == 10


def test_one_of_the_training_is_not_there_before_it() -> None:
    class Training(TinyModule):
        def training_step(self, *step: Any) -> Any:
            loss = super().training_step(*step)
            self.log("train_loss", loss)
            return loss

    assert fit(RequiredMetric("train_loss"), module=Training()).trainer.global_step == 6


def test_a_declared_one_that_is_never_logged_counts_as_nan() -> None:
    with pytest.raises(UserError, match="has logged no number at 2 validations"):
        fit(RequiredMetric("val_f1", declared=True))


def test_it_knows_after_an_interruption_what_it_has_seen() -> None:
    one = RequiredMetric("val_f1")
    fit(one, module=Undefined(1))
    other = RequiredMetric("val_f1")
    other.load_state_dict(one.state_dict())
    assert fit(other, module=Undefined(9)).trainer.global_step == 6
