"""What a module computes outside its steps, in the Trainer's precision."""

from typing import Any

import pytest
import torch
from helpers.tiny import tiny_trainer

from app.common.precision import mixed_precision


@pytest.mark.parametrize(
    ("precision", "product"), [("bf16-mixed", torch.bfloat16), ("32-true", torch.float32), ("64-true", torch.float32)]
)
def test_products_are_those_of_mixed_precision_and_of_no_other(precision: Any, product: torch.dtype) -> None:
    x = torch.ones(2, 2)
    with mixed_precision(tiny_trainer(precision=precision)):
        assert torch.nn.functional.linear(x, x).dtype == product
        assert torch.empty(1).dtype == torch.float32
    assert not torch.is_autocast_enabled("cpu")
