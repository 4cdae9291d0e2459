import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.common.seeds import generator
from datamodules import EvalWindowLoader, WindowLoader
from datamodules.windows import columns, mean_length

ROWS = 300


def table(rows: int, width: int = 3) -> torch.Tensor:
    """Columns of the text 0, 1, 2, ..., in which all words differ."""
    return columns(torch.arange(rows * width), width)


def lengths_by_loops(bptt: int, seed: int, epoch: int, rows: int) -> list[int]:
    """The authors' training loop (`main.py`), with our generator in place of numpy's."""
    random, lengths, i = generator(seed, epoch), [], 0
    while i < rows - 1 - 1:
        mean = bptt / 2.0 if float(torch.rand(1, generator=random)) < 0.05 else bptt
        seq_len = max(5, int(mean + 5 * float(torch.randn(1, generator=random))))
        lengths.append(seq_len)
        i += seq_len
    return lengths


@given(size=st.integers(0, 200), batch_size=st.integers(1, 20))
def test_columns_are_cut_as_batchify_cuts_them(size, batch_size):
    # numpy: whole rows of the transposed table, the tail dropped
    words = np.arange(size) * 7 % 11
    expected = words[: size // batch_size * batch_size].reshape(batch_size, -1).T
    ours = columns(torch.from_numpy(words), batch_size)
    assert ours.shape == (size // batch_size, batch_size)
    assert np.array_equal(ours.numpy(), expected)


@given(rows=st.integers(3, 400), bptt=st.integers(1, 80), seed=st.integers(0, 2**32 - 1))
def test_training_windows_tile_the_columns_with_targets_one_word_later(rows, bptt, seed):
    whole = table(rows)
    windows = list(WindowLoader(whole, bptt, seed=seed))
    inputs, targets = torch.cat([w.inputs for w in windows]), torch.cat([w.targets for w in windows])
    assert torch.equal(targets, inputs + 1)
    assert torch.equal(inputs, whole[: len(inputs)])
    assert len(inputs) in (rows - 1, rows - 2)  # a single last word is left out
    assert all(len(w.inputs) == w.drawn >= 5 for w in windows[:-1])
    assert 1 < len(windows[-1].inputs) <= windows[-1].drawn


@pytest.mark.parametrize(("left", "trained"), [(1, 10), (2, 12), (3, 13)])
def test_a_last_window_of_one_word_is_not_trained_on(left, trained, monkeypatch):
    monkeypatch.setattr("datamodules.windows.LENGTH_STD", 0.0)
    monkeypatch.setattr("datamodules.windows.SHORT_SHARE", 0.0)
    # Two windows of 5, then `left` inputs that have a word after them.
    windows = list(WindowLoader(table(10 + left + 1), 5, seed=0))
    assert sum(len(w.inputs) for w in windows) == trained
    assert [w.drawn for w in windows] == [5] * (2 + (left > 1))  # the learning rate is scaled by this


@given(rows=st.integers(2, 400), bptt=st.integers(1, 80), width=st.integers(1, 4))
def test_evaluation_windows_tile_every_word_but_the_first_as_targets(rows, bptt, width):
    whole = table(rows, width)
    loader = EvalWindowLoader(whole, bptt)
    windows = list(loader)
    assert len(windows) == len(loader) == math.ceil((rows - 1) / bptt)
    assert torch.equal(torch.cat([w.inputs for w in windows]), whole[:-1])
    assert torch.equal(torch.cat([w.targets for w in windows]), whole[1:])
    assert all(len(w.inputs) == w.drawn == bptt for w in windows[:-1])
    assert windows[-1].drawn == bptt


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("bptt", [6, 35, 70])
def test_lengths_are_drawn_as_the_authors_draw_them(bptt, seed):
    loader = WindowLoader(table(2000), bptt, seed=seed)
    for epoch in range(4):
        expected = lengths_by_loops(bptt, seed, epoch, 2000)
        assert [w.drawn for w in loader] == expected == loader.lengths(epoch)


def test_five_percent_of_the_windows_are_about_35_words_the_others_about_70():
    lengths = np.array(WindowLoader(table(700_000, 1), 70, seed=5).lengths(0))
    short, usual = lengths[lengths < 52], lengths[lengths >= 52]  # each more than three deviations away
    assert len(short) / len(lengths) == pytest.approx(0.05, abs=0.01)
    # Rounded down, so half a word shorter on average.
    assert usual.mean() == pytest.approx(69.5, abs=0.25)
    assert short.mean() == pytest.approx(34.5, abs=1.0)
    assert usual.std() == pytest.approx(5.0, abs=0.25)


@pytest.mark.parametrize("bptt", [20, 35, 70])
def test_the_mean_length_is_about_what_is_drawn(bptt):
    lengths = WindowLoader(table(100_000, 1), bptt, seed=5).lengths(0)
    assert mean_length(bptt) == pytest.approx(np.mean(lengths), rel=0.04)


def test_every_window_tells_the_usual_length():
    loaders = WindowLoader(table(ROWS), 20, seed=1), EvalWindowLoader(table(ROWS), 20)
    assert {window.bptt for loader in loaders for window in loader} == {20}


def test_epochs_and_seeds_draw_differently_and_nothing_else_matters():
    loader = WindowLoader(table(ROWS), 20, seed=1)
    torch.manual_seed(1)
    first, second = ([w.drawn for w in loader] for _ in range(2))
    torch.manual_seed(2)
    again = WindowLoader(table(ROWS), 20, seed=1)
    assert [[w.drawn for w in again] for _ in range(2)] == [first, second]
    assert first != second
    assert [w.drawn for w in WindowLoader(table(ROWS), 20, seed=2)] != first
    assert [w.drawn for w in WindowLoader(table(ROWS), 20, seed=1, epoch=1)] == second


@pytest.mark.parametrize("world_size", [1, 2, 3, 6])
def test_processes_share_columns_and_draw_the_same_lengths(world_size):
    whole = table(ROWS, 6)
    alone = list(WindowLoader(whole, 20, seed=1))
    shares = [list(WindowLoader(whole, 20, seed=1, rank=r, world_size=world_size)) for r in range(world_size)]
    for window, *parts in zip(alone, *shares, strict=True):
        assert {part.drawn for part in parts} == {window.drawn}
        together = torch.empty_like(window.inputs)
        for rank, part in enumerate(parts):
            assert part.inputs.shape[1] == 6 // world_size
            together[:, rank::world_size] = part.inputs
        assert torch.equal(together, window.inputs)


@pytest.mark.parametrize(("width", "world_size", "each"), [(4, 2, 2), (3, 2, 3), (1, 4, 1), (2, 4, 2)])
def test_in_evaluation_the_mean_over_processes_is_the_mean_over_the_text(width, world_size, each):
    whole = table(50, width)
    ranks = [EvalWindowLoader(whole, 7, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert {loader.columns.shape[1] for loader in ranks} == {each}
    means = [torch.cat([w.targets.double() for w in loader]).square().mean() for loader in ranks]
    assert torch.stack(means).mean() == pytest.approx(whole[1:].double().square().mean())


def fetch_ahead(loader: WindowLoader) -> list[tuple[list[int], dict[str, int]]]:
    """One epoch as Lightning takes it: each window's inputs, and the state after training on it."""
    iterator = iter(loader)
    window, seen = next(iterator), []
    while window is not None:
        ahead = next(iterator, None)
        seen.append((window.inputs[:, 0].tolist(), loader.state_dict()))
        window = ahead
    return seen


@given(rows=st.integers(3, 90), bptt=st.integers(3, 40), seed=st.integers(0, 9))
def test_what_follows_a_saved_position_is_what_would_have_followed(rows, bptt, seed):
    loader = WindowLoader(table(rows), bptt, seed=seed)
    seen = [entry for _ in range(2) for entry in fetch_ahead(loader)]
    windows = [inputs for inputs, _ in seen]
    for learned, (_, state) in enumerate(seen[:-1], start=1):
        resumed = WindowLoader(table(rows), bptt, seed=seed)
        resumed.load_state_dict(state)
        next(iter(resumed))  # Lightning may take a window, and ask for an iterator again
        rest = [w.inputs[:, 0].tolist() for w in resumed]
        if learned + len(rest) < len(windows):
            rest += [w.inputs[:, 0].tolist() for w in resumed]
        assert windows[:learned] + rest == windows


def test_the_position_counts_rows_that_were_learned_from():
    loader = WindowLoader(table(ROWS), 20, seed=1)
    assert (loader.row, loader.rows) == (0, ROWS)
    starts = np.cumsum(loader.lengths(0))
    assert [state["row"] for _, state in fetch_ahead(loader)] == [min(int(start), ROWS - 1) for start in starts]
    assert loader.row == min(starts[-1], ROWS - 1) == loader.state_dict()["row"]


def test_an_epoch_that_was_broken_off_is_not_gone_on_with():
    loader = WindowLoader(table(ROWS), 20, seed=1)
    iterator = iter(loader)
    next(iterator), next(iterator)
    assert [w.drawn for w in loader] == loader.lengths(1)


@pytest.mark.parametrize(
    "state", [{"epoch": 0, "row": ROWS}, {"epoch": 0, "row": 1}, {"epoch": -1, "row": 0}, {"epoch": 0, "row": -5}]
)
def test_a_position_where_no_window_starts_is_refused(state):
    loader = WindowLoader(table(ROWS), 20, seed=1)
    with pytest.raises(UserError, match=rf"row {state['row']} of epoch {state['epoch']}, .* these {ROWS} rows"):
        loader.load_state_dict(state)
    assert loader.state_dict() == {"epoch": 0, "row": 0}


def test_a_position_of_another_seed_is_refused():
    loader, other = WindowLoader(table(ROWS), 20, seed=1), WindowLoader(table(ROWS), 20, seed=2)
    state = fetch_ahead(loader)[2][1]
    assert state["row"] not in np.cumsum(other.lengths(0))
    with pytest.raises(UserError, match="and the seed that it was made with"):
        other.load_state_dict(state)


def test_the_training_loader_has_no_length():
    with pytest.raises(TypeError):
        len(WindowLoader(table(ROWS), 20, seed=1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: WindowLoader(table(2), 5, seed=0),
            "columns of 2 words are too short for a window; expected 3",
        ),
        (lambda: EvalWindowLoader(table(1), 5), "columns of 1 words are too short for a window; expected 2 or more"),
        (lambda: WindowLoader(table(9), 0, seed=0), "bptt is 0; expected 1 or more"),
        (lambda: EvalWindowLoader(table(9), 0), "bptt is 0; expected 1 or more"),
        (lambda: WindowLoader(table(9), 5, seed=0, rank=2, world_size=2), "rank is 2 of 2 processes"),
        (lambda: WindowLoader(table(9), 5, seed=0, world_size=2), "2 processes cannot share a batch of 3 columns"),
    ],
)
def test_what_cannot_be_cut_is_refused(call, message):
    with pytest.raises(UserError, match=message):
        call()
