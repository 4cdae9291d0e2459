"""The module that callbacks are tested with."""

import pytest
import torch
from helpers.tiny import TinyModule


@pytest.fixture
def module() -> TinyModule:
    torch.manual_seed(0)
    return TinyModule()
