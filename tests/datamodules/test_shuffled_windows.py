"""Windows of one length in random order: each once per epoch, a new order in every epoch, exact resuming."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from datamodules import ShuffledWindowLoader, Window
from datamodules.windows import columns


def loader(rows: int = 23, batch: int = 4, bptt: int = 5, **options: int) -> ShuffledWindowLoader:
    return ShuffledWindowLoader(columns(torch.arange(rows * batch), batch), bptt, **{"seed": 3} | options)


def starts(windows: list[Window]) -> list[int]:
    return [int(window.inputs[0, 0]) for window in windows]


@given(st.integers(2, 60), st.integers(1, 12), st.integers(0, 5))
def test_every_word_is_predicted_once_in_an_epoch(rows: int, bptt: int, seed: int) -> None:
    whole = columns(torch.arange(rows * 3), 3)
    windows = list(loader(rows, 3, bptt, seed=seed))
    assert len(windows) == len(loader(rows, 3, bptt))
    found = sorted(windows, key=lambda window: int(window.inputs[0, 0]))
    assert torch.equal(torch.cat([window.inputs for window in found]), whole[:-1])
    assert torch.equal(torch.cat([window.targets for window in found]), whole[1:])
    assert all(len(window.inputs) == bptt for window in found[:-1])
    assert {(window.drawn, window.bptt) for window in found} == {(bptt, bptt)}, "the learning rate would be scaled"


def test_orders_differ_between_epochs_and_seeds_and_come_again() -> None:
    one = loader()
    first, second = starts(list(one)), starts(list(one))
    assert first != second
    assert first != starts(list(loader(seed=4)))
    again = loader()
    assert [starts(list(again)), starts(list(again))] == [first, second]


@pytest.mark.parametrize("taken", range(1, 10))
def test_it_goes_on_after_the_last_window_taken(taken: int) -> None:
    whole, stopped, resumed = loader(), loader(), loader()
    both = starts([*whole, *whole])
    seen: list[Window] = []
    while len(seen) < taken:
        for window in stopped:
            seen.append(window)
            if len(seen) == taken:
                state = stopped.state_dict()
                break
    resumed.load_state_dict(state)
    rest = [*resumed] if taken == 5 else [*resumed, *(resumed if taken < 5 else ())]
    assert starts(seen) + starts(rest) == both


def test_processes_share_the_columns_and_the_order() -> None:
    whole, parts = list(loader()), [list(loader(rank=rank, world_size=2)) for rank in range(2)]
    for window, one, other in zip(whole, *parts, strict=True):
        assert torch.equal(window.inputs[:, 0::2], one.inputs)
        assert torch.equal(window.targets[:, 1::2], other.targets)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rows": 1}, "columns of 1 words are too short"),
        ({"bptt": 0}, "bptt is 0"),
        ({"world_size": 3}, "3 processes cannot share a batch of 4 columns equally"),
        ({"rank": 2, "world_size": 2}, "rank is 2 of 2"),
    ],
)
def test_mistakes(options: dict[str, int], says: str) -> None:
    with pytest.raises(UserError, match=says):
        loader(**options)
