"""Last outputs of sequences of different lengths, against a net that reads each of them by itself."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from app.nets import LSTM, ONLSTM
from app.nets.ragged import SHORTEST, last_outputs, segments


def net(kind: type, **dropouts: float):
    torch.manual_seed(0)
    return kind(3, [8, 6], **dropouts).double() if kind is LSTM else kind(3, [8, 6], 2, **dropouts).double()


@pytest.mark.parametrize("kind", [LSTM, ONLSTM])
@settings(max_examples=30)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=9), st.integers(0, 4))
def test_each_by_itself(kind, lengths, filling):
    made = net(kind)
    x = torch.randn(max(lengths) + filling, len(lengths), 3, dtype=torch.float64)
    found = last_outputs(made, x, torch.tensor(lengths))
    alone = [made(x[:length, [b]])[0][-1, 0] for b, length in enumerate(lengths)]
    torch.testing.assert_close(found, torch.stack(alone), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [LSTM, ONLSTM])
def test_gradients_are_those_of_each_by_itself(kind):
    made, lengths = net(kind), [1, 17, 5, 30, 30, 2, 9]
    x = torch.randn(30, len(lengths), 3, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(len(lengths), 6, dtype=torch.float64)
    (last_outputs(made, x, torch.tensor(lengths)) * weights).sum().backward()
    found = [x.grad.clone(), *(p.grad.clone() for p in made.parameters())]
    made.zero_grad()
    x.grad = None
    for b, length in enumerate(lengths):
        (made(x[:length, [b]])[0][-1, 0] * weights[b]).sum().backward()
    for one, other in zip(found, [x.grad, *(p.grad for p in made.parameters())], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)
    assert not found[0][1:, 0].any(), "padding has a gradient"


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40))
def test_segments_cover_every_step_that_is_needed(lengths):
    ends = sorted(lengths, reverse=True)
    cut = list(segments(ends))
    assert [start for start, _, _ in cut] == [0, *(stop for _, stop, _ in cut[:-1])]
    assert cut[-1][1] == ends[0]
    assert all(active == sum(end > start for end in ends) for start, _, active in cut)
    assert all(stop - start >= SHORTEST for start, stop, _ in cut) or ends[0] < SHORTEST


@pytest.mark.parametrize("dropouts", [{"dropout": 0.5}, {"weight_dropout": 0.5}])
def test_masks_are_drawn_once_for_a_batch(dropouts):
    made, x = net(LSTM, **dropouts), torch.randn(30, 2, 3, dtype=torch.float64)
    torch.manual_seed(1)
    found = last_outputs(made, x, torch.tensor([30, 3]))
    torch.manual_seed(1)
    whole, _, _ = made(x)
    assert torch.equal(found, torch.stack([whole[29, 0], whole[2, 1]]))
