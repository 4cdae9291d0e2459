"""The callback that saves best.ckpt beside a user's own ModelCheckpoint."""

from pathlib import Path
from types import SimpleNamespace

from lightning.pytorch.callbacks import ModelCheckpoint

from app.runs.best_validation import BestValidation
from app.runs.layout import FitLayout
from app.training.best_checkpoint import BestCheckpoint


def test_its_state_is_not_that_of_a_users_callback_with_the_same_options(tmp_path: Path) -> None:
    ours = BestCheckpoint(FitLayout(tmp_path), BestValidation())
    users = ModelCheckpoint(monitor="val_loss", mode="min", save_on_train_epoch_end=False)
    assert ours.state_key != users.state_key
    assert ours.state_key.replace("BestCheckpoint", "ModelCheckpoint") == users.state_key


def test_checkpoints_from_before_it_had_a_name_of_its_own_are_read(tmp_path: Path) -> None:
    ours = BestCheckpoint(FitLayout(tmp_path), BestValidation())
    former = ours.state_key.replace("BestCheckpoint", "ModelCheckpoint")
    checkpoint = {"callbacks": {former: {"best_model_path": "x"}}}
    ours.on_load_checkpoint(SimpleNamespace(), SimpleNamespace(), checkpoint)
    assert checkpoint["callbacks"][ours.state_key] == {"best_model_path": "x"}
    checkpoint = {"callbacks": {former: {"best_model_path": "x"}, ours.state_key: {"best_model_path": "y"}}}
    ours.on_load_checkpoint(SimpleNamespace(), SimpleNamespace(), checkpoint)
    assert checkpoint["callbacks"][ours.state_key] == {"best_model_path": "y"}
