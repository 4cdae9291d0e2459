import itertools

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.common.seeds import generator
from datamodules import TensorLoader

rows_and_batch = st.tuples(st.integers(1, 40), st.integers(1, 12))
seeds = st.one_of(st.none(), st.integers(0, 2**32 - 1))


def numbers(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Row i contains i and 10 i, so that each batch shows its rows."""
    return torch.arange(rows), 10 * torch.arange(rows)[:, None].expand(-1, 3).contiguous()


def seen(loader: TensorLoader) -> list[list[int]]:
    """The rows of each batch of one epoch."""
    batches = []
    for ids, others in loader:
        assert torch.equal(others, 10 * ids[:, None].expand(-1, 3))
        batches.append(ids.tolist())
    return batches


def stream(loader: TensorLoader):
    """The rows of each batch, epoch after epoch without end."""
    while True:
        yield from (ids.tolist() for ids, _ in loader)


def brute_force(rows: int, batch_size: int, seed: int | None, epoch: int) -> list[list[int]]:
    order = list(range(rows)) if seed is None else torch.randperm(rows, generator=generator(seed, epoch)).tolist()
    batches = []
    while order:
        batches.append(order[:batch_size])
        order = order[batch_size:]
    return batches


@given(rows_and_batch, seeds)
def test_every_epoch_is_cut_as_by_hand(sizes, seed):
    rows, batch_size = sizes
    loader = TensorLoader(numbers(rows), batch_size, shuffle_seed=seed)
    for epoch in range(3):
        batches = seen(loader)
        assert batches == brute_force(rows, batch_size, seed, epoch)
        assert len(batches) == len(loader)
        assert sorted(itertools.chain(*batches)) == list(range(rows))


@given(rows_and_batch, seeds, st.integers(1, 5))
def test_the_processes_together_see_what_one_sees(sizes, seed, world_size):
    rows, batch_size = sizes
    shares = {min(rows, batch_size), rows % batch_size or batch_size}
    assume(all(share >= world_size if seed is None else share % world_size == 0 for share in shares))
    one, *ranks = [
        TensorLoader(numbers(rows), batch_size, shuffle_seed=seed, rank=rank, world_size=processes)
        for processes, rank in [(1, 0), *((world_size, rank) for rank in range(world_size))]
    ]
    for _ in range(2):
        for alone, *together in zip(seen(one), *map(seen, ranks), strict=True):
            assert all(together), "a process got an empty batch"
            assert sorted(itertools.chain(*together)) == sorted(alone)
            assert seed is None or len({len(share) for share in together}) == 1


@given(rows_and_batch, st.integers(0, 2**32 - 1), st.sampled_from([2, 3]))
def test_each_process_takes_every_nth_row_of_a_global_batch(sizes, seed, world_size):
    rows, batch_size = (size * world_size for size in sizes)
    for rank in range(world_size):
        loader = TensorLoader(numbers(rows), batch_size, shuffle_seed=seed, rank=rank, world_size=world_size)
        expected = [batch[rank::world_size] for batch in brute_force(rows, batch_size, seed, 0)]
        assert seen(loader) == expected


@given(rows_and_batch, seeds, st.integers(0, 30), st.integers(0, 30))
def test_a_loaded_position_is_gone_on_from_exactly(sizes, seed, before, between):
    rows, batch_size = sizes

    def make() -> TensorLoader:
        return TensorLoader(numbers(rows), batch_size, shuffle_seed=seed)

    whole = list(itertools.islice(stream(make()), before + between + 30))
    part, loader = [], make()
    for count in (before, between):  # resumed once, and a second time
        part += itertools.islice(stream(loader), count)
        state = loader.state_dict()
        assert {name: type(value) for name, value in state.items()} == {"epoch": int, "batch": int}
        loader = make()
        loader.load_state_dict(state)
    assert part + list(itertools.islice(stream(loader), 30)) == whole


def test_an_epoch_left_in_the_middle_is_followed_by_the_next():
    loader = TensorLoader(numbers(10), 3, shuffle_seed=5)
    next(iter(loader))
    assert seen(loader) == brute_force(10, 3, 5, 1)


def test_asking_for_an_iterator_moves_nothing():
    loader = TensorLoader(numbers(10), 3, shuffle_seed=5)
    iter(loader), iter(loader)
    assert loader.state_dict() == {"epoch": 0, "batch": 0}
    assert seen(loader) == brute_force(10, 3, 5, 0)
    iter(loader)
    assert seen(loader) == brute_force(10, 3, 5, 1)


@pytest.mark.parametrize("batch", [0, 1, 2, 3, 4])
def test_after_loading_iter_goes_on_until_the_epoch_is_complete(batch):
    whole = [ids for epoch in range(2, 7) for ids in brute_force(10, 3, 5, epoch)]
    loader = TensorLoader(numbers(10), 3, shuffle_seed=5)
    loader.load_state_dict({"epoch": 2, "batch": batch})
    part = [next(iter(loader))[0].tolist() for _ in range(4 - batch % 4)]  # to the end of the epoch
    assert part == whole[batch : batch + len(part)]
    following = batch + len(part)
    assert seen(loader) == whole[following : following + 4]
    assert next(iter(loader))[0].tolist() == whole[following + 4]
    assert seen(loader) == whole[following + 8 : following + 12], "the position was loaded long ago"


def test_the_epoch_told_from_outside_counts_for_an_untouched_loader_only():
    loader = TensorLoader(numbers(10), 3, shuffle_seed=5)
    loader.sampler.set_epoch(7)
    assert seen(loader) == brute_force(10, 3, 5, 7)
    loader.sampler.set_epoch(3)
    assert seen(loader) == brute_force(10, 3, 5, 8)
    loader.load_state_dict({"epoch": 1, "batch": 0})
    loader.sampler.set_epoch(3)
    assert seen(loader) == brute_force(10, 3, 5, 1)


def test_the_order_is_a_new_one_each_epoch_and_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    loader = TensorLoader(numbers(40), 40, shuffle_seed=5)
    orders = [tuple(seen(loader)[0]) for _ in range(4)]
    assert len(set(orders)) == 4
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert tuple(seen(TensorLoader(numbers(40), 40, shuffle_seed=5))[0]) == orders[0]
    assert tuple(seen(TensorLoader(numbers(40), 40, shuffle_seed=6))[0]) != orders[0]


def test_batches_in_order_are_views():
    tensors = numbers(10)
    for batch in TensorLoader(tensors, 4, rank=1, world_size=2):
        for part, tensor in zip(batch, tensors, strict=True):
            assert part.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()


@given(rows=st.integers(1, 40), batch_size=st.integers(1, 12), world_size=st.integers(1, 5))
def test_shares_make_the_mean_over_processes_that_over_the_batch(rows: int, batch_size: int, world_size: int) -> None:
    assume(min(batch_size, rows, rows % batch_size or batch_size) >= world_size)
    values = torch.rand(rows, dtype=torch.float64)
    options = {"shuffle_seed": 3, "world_size": world_size}
    loaders = [TensorLoader((values,), batch_size, rank=rank, **options) for rank in range(world_size)]
    assert TensorLoader((values,), batch_size).share == 1
    for (whole,), *parts in zip(TensorLoader((values,), batch_size, shuffle_seed=3), *loaders, strict=True):
        means = [part[0].mean() * loader.share for part, loader in zip(parts, loaders, strict=True)]
        torch.testing.assert_close(torch.stack(means).mean(), whole.mean())


@pytest.mark.parametrize(
    ("rows", "batch_size", "options", "message"),
    [
        (10, 0, {}, "batch_size is 0; expected 1 or more"),
        (0, 4, {}, "one length above 0"),
        (10, 4, {"rank": 2, "world_size": 2}, "rank is 2 of 2 processes; expected 0 to 1"),
        (9, 4, {"shuffle_seed": 0, "world_size": 2}, "include one of 1, too few for 2 processes"),
        (9, 4, {"world_size": 2}, "include one of 1, too few for 2 processes"),
        (3, 8, {"world_size": 4}, "include one of 3, too few for 4 processes"),
    ],
)
def test_batches_that_cannot_be_made_are_refused(rows, batch_size, options, message):
    with pytest.raises(UserError, match=message):
        TensorLoader(numbers(rows), batch_size, **options)


def test_tensors_of_different_lengths_are_refused():
    with pytest.raises(UserError, match=r"got lengths \[3, 4\]"):
        TensorLoader((torch.zeros(3), torch.zeros(4)), 2)
    with pytest.raises(UserError, match=r"got lengths \[\]"):
        TensorLoader((), 2)


@pytest.mark.parametrize("state", [{"epoch": 0, "batch": 5}, {"epoch": 0, "batch": -1}, {"epoch": -1, "batch": 0}])
def test_a_position_of_another_loader_is_refused(state):
    loader = TensorLoader(numbers(10), 3)
    with pytest.raises(UserError, match="an epoch has 4 batches here; resume with the data and the batch_size"):
        loader.load_state_dict(state)
