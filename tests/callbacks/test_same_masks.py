"""Processes whose masks differ do not train."""

import pytest
import torch

from app.common.errors import RunError
from app.common.states import digest
from callbacks import same_masks
from callbacks.same_masks import check_same_masks

MASKS = {"fc.weight": torch.tensor([True, False])}
OTHERS = {"fc.weight": torch.tensor([False, True])}


@pytest.mark.parametrize(
    ("others", "says"),
    [([MASKS], ""), ([OTHERS], "1 has others than process 0"), ([OTHERS, MASKS, OTHERS], "1, 3 have others")],
)
def test_all_have_those_of_the_first(others: list[dict[str, torch.Tensor]], says: str, monkeypatch) -> None:
    monkeypatch.setattr(same_masks, "of_all", lambda mine: [mine, *map(digest, others)])
    if not says:
        check_same_masks(MASKS, 2)
        return
    with pytest.raises(RunError, match=f"the masks of round 2 differ .*: {says}"):
        check_same_masks(MASKS, 2)
