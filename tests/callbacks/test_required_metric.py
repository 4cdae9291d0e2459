"""A training that does not log what its best validation is chosen by ends at once, in one line."""

from pathlib import Path
from typing import Any

import pytest
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


@pytest.mark.parametrize(("module", "logs"), [(TinyModule, "val_loss"), (Silent, "nothing")])
def test_what_is_missing_is_named_with_what_there_is(module: type[TinyModule], logs: str) -> None:
    with pytest.raises(UserError) as raised:
        fit(RequiredMetric(MISSING), module=module(), num_sanity_val_steps=0)
    assert str(raised.value) == (
        f"best.monitor is 'val_f1', which {module.__name__} does not log at validations; it logs {logs}; "
        "set --best.monitor to one of them"
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
