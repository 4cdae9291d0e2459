"""Small networks are trained here hundreds of times: what costs more than the training is left out."""

import pytest
import torch
from helpers.tiny import TinyModule


@pytest.fixture(autouse=True)
def _cheap_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)  # several only wait for each other; the tests' own conftest restores what it was
    # Every new Trainer would look through all installed packages for callbacks that they offer.
    monkeypatch.setattr(
        "lightning.pytorch.trainer.connectors.callback_connector._load_external_callbacks", lambda _: []
    )


@pytest.fixture
def module() -> TinyModule:
    torch.manual_seed(0)
    return TinyModule()
