from types import SimpleNamespace

import pytest
import torch

from app.common.errors import UserError
from app.common.seeds import derive_seed
from datamodules.in_memory_data_module import InMemoryDataModule, Source, Split, SplitSizes, rows_except


class Numbered(InMemoryDataModule):
    """Twenty images of 2 x 2 pixels; image i has the label i and a first pixel of 10 i."""

    sizes = SplitSizes(train=14, val=4, test=2)
    reads = 0

    def read(self) -> Source:
        self.reads += 1
        labels = torch.arange(20)
        pixels = torch.zeros(20, 1, 2, 2, dtype=torch.uint8)
        pixels[:, 0, 0, 0] = 10 * labels
        pixels[:, 0, 1, 1] = 255
        return Source(pixels, labels, {"numbers": "ab"})

    def split_rows(self, labels, *, seed):
        val = torch.randperm(18, generator=torch.Generator().manual_seed(seed))[:4].sort().values
        return Split(train=rows_except(18, val), val=val, test=torch.tensor([18, 19]))


@pytest.fixture
def data() -> Numbered:
    module = Numbered(batch_size=4, eval_batch_size=3)
    module.prepare()
    return module


def labels(loader) -> list[int]:
    return [int(label) for _, batch in loader for label in batch]


def test_pixels_are_scaled_to_one_and_keep_their_labels(data):
    for loader in (data.train_dataloader(), *data.val_dataloader(), data.train_eval_dataloader()):
        for images, numbers in loader:
            assert images.dtype == torch.float32
            assert numbers.dtype == torch.int64
            assert images.shape == (len(numbers), 1, 2, 2)
            expected = torch.tensor([[[[10 * int(n), 0], [0, 255]]] for n in numbers], dtype=torch.float64) / 255
            assert torch.equal(images, expected.float())


def test_each_loader_has_its_part_in_its_order(data):
    val, test = map(labels, data.val_dataloader())
    train = labels(data.train_eval_dataloader())
    assert sorted(train + val + test) == list(range(20))
    assert test == labels(data.test_dataloader()) == [18, 19]
    assert train == sorted(train)
    first, second = data.train_dataloader(), data.train_dataloader()
    order = labels(first)
    assert order != train
    assert sorted(order) == train
    assert labels(second) == order
    assert labels(first) != order


def test_sizes_are_known_before_anything_is_read_and_are_true(data):
    fresh = Numbered(batch_size=4)
    assert fresh.split_sizes == (14, 4, 2)
    assert fresh.iterations_per_epoch == 4
    assert fresh.reads == 0
    val, test = data.val_dataloader()
    assert (len(labels(data.train_dataloader())), len(labels(val)), len(labels(test))) == data.split_sizes
    assert len(data.train_dataloader()) == data.iterations_per_epoch


def test_the_files_are_read_once(data):
    images = data.train_dataloader().tensors[0]
    for stage in ("fit", "validate", "test", None):
        data.prepare_data()
        data.setup(stage)
    data.reseed(split=1, order=2)
    data.prepare()
    assert data.reads == 1
    assert data.train_dataloader().tensors[0] is not images


def test_set_up_again_keeps_the_same_tensors(data):
    images = data.train_dataloader().tensors[0]
    data.prepare()
    assert data.train_dataloader().tensors[0] is images


def test_reseeding_redoes_the_split_at_once(data):
    before = data.val_dataloader()[0]
    old = labels(before)
    data.reseed(split=99, order=1)
    expected = data.split_rows(torch.arange(20), seed=99)
    assert labels(data.val_dataloader()[0]) == expected.val.tolist() != old
    assert labels(data.train_eval_dataloader()) == expected.train.tolist()
    assert labels(before) == old


def test_the_order_seed_changes_the_order_and_nothing_else(data):
    split = derive_seed(0, 0, "split")
    images = data.train_dataloader().tensors[0]
    data.reseed(split=split, order=1)
    one = labels(data.train_dataloader())
    data.reseed(split=split, order=2)
    two = labels(data.train_dataloader())
    assert one != two
    assert sorted(one) == sorted(two)
    assert data.train_dataloader().tensors[0] is images


def test_seeds_are_derived_from_the_seed_unless_told():
    by_default, told = Numbered(seed=3), Numbered(seed=4)
    told.reseed(split=derive_seed(3, 0, "split"), order=derive_seed(3, 0, "order"))
    for module in (by_default, told):
        module.prepare()
    assert labels(by_default.train_dataloader()) == labels(told.train_dataloader())


def trainer_on(device, *, global_rank=0, world_size=1):
    strategy = SimpleNamespace(root_device=torch.device(device))
    return SimpleNamespace(global_rank=global_rank, world_size=world_size, strategy=strategy)


def test_everything_moves_to_the_device_of_the_trainer_once(data):
    data.trainer = trainer_on("meta")
    first, second = data.train_dataloader(), data.train_dataloader()
    assert {tensor.device.type for batch in first for tensor in batch} == {"meta"}
    assert all(a is b for a, b in zip(first.tensors, second.tensors, strict=True))


def test_processes_share_every_batch_of_a_trainer(data):
    alone = [[batch.tolist() for _, batch in loader] for loader in (data.train_dataloader(), data.test_dataloader())]
    shares = []
    for rank in range(2):
        data.trainer = trainer_on("cpu", global_rank=rank, world_size=2)
        shares.append([[b.tolist() for _, b in loader] for loader in (data.train_dataloader(), data.test_dataloader())])
    for whole, *parts in zip(alone, *shares, strict=True):
        for batch, *pieces in zip(whole, *parts, strict=True):
            assert pieces == [batch[0::2], batch[1::2]]


def test_checksums_are_there_once_the_data_is(data):
    assert data.checksums == {"numbers": "ab"}
    for ask in (lambda m: m.checksums, lambda m: m.train_dataloader(), lambda m: m.val_dataloader()):
        with pytest.raises(UserError, match=r"Numbered: the data has not been read yet; call prepare\(\) first"):
            ask(Numbered())


def test_fewer_images_are_drawn_by_the_split_seed_but_those_for_test_are_always_the_same():
    some = Numbered(batch_size=4, train_images=6, val_images=3, test_images=1)
    every = Numbered(batch_size=4)
    assert some.split_sizes == (6, 3, 1)
    assert some.iterations_per_epoch == 2
    seen = set()
    for seed in range(5):
        for module in (some, every):
            module.reseed(split=seed, order=0)
            module.prepare()
        found = {name: rows.tolist() for name, rows in some.rows().items()}
        assert {name: len(rows) for name, rows in found.items()} == some.split_sizes._asdict()
        assert all(set(rows) <= set(every.rows()[name].tolist()) for name, rows in found.items())
        assert labels(some.train_eval_dataloader()) == found["train"]
        assert sorted(labels(some.train_dataloader())) == found["train"]
        assert [labels(loader) for loader in some.val_dataloader()] == [found["val"], found["test"]]
        seen.add((*found["train"], *found["val"]))
        assert found["test"] == some.rows()["test"].tolist()
    assert len(seen) == 5


@pytest.mark.parametrize("count", [0, 15])
def test_more_images_than_there_are_are_refused_at_once(count):
    with pytest.raises(UserError, match=rf"data\.train_images is {count}; expected 1 to 14, or null for all of them"):
        Numbered(train_images=count)


def test_only_training_batches_are_augmented(data):
    changed = Numbered(batch_size=4, eval_batch_size=3, augment=True)
    changed.prepare()
    for same, loader in zip(data.val_dataloader(), changed.val_dataloader(), strict=True):
        assert all(torch.equal(a, b) for (a, _), (b, _) in zip(same, loader, strict=True))
    assert torch.equal(data.train_eval_dataloader().tensors[0], changed.train_eval_dataloader().tensors[0])
    assert not changed.train_eval_dataloader().augment
    batches = list(zip(data.train_dataloader(), changed.train_dataloader(), strict=True))
    assert all(torch.equal(plain[1], other[1]) for plain, other in batches)
    assert not any(torch.equal(plain[0], other[0]) for plain, other in batches)


class Bytes(Numbered):
    standardised = True
    bytes_on_gpu = True


def test_bytes_on_a_gpu_are_the_values_elsewhere(monkeypatch):
    """The meta device in place of a GPU would have no values; the trainer says where the bytes are wanted."""
    on_gpu, elsewhere = Bytes(batch_size=4), Bytes(batch_size=4)
    for module in (on_gpu, elsewhere):
        module.prepare()
    kept = on_gpu.train_dataloader()
    assert kept.tensors[0].dtype == torch.float32
    on_gpu.trainer = trainer_on("cpu")
    on_gpu.trainer.strategy.root_device = SimpleNamespace(type="cuda")
    part = on_gpu._part("train")
    assert part[0].dtype == torch.uint8
    loader = on_gpu._make_loader(part, 4, on_gpu._order_seed)
    for (images, numbers), (same, whose) in zip(loader, elsewhere.train_dataloader(), strict=True):
        assert images.dtype == torch.float32
        assert torch.equal(images, same)
        assert torch.equal(numbers, whose)


@pytest.mark.parametrize("name", ["batch_size", "eval_batch_size"])
def test_a_batch_size_below_one_is_refused_at_once(name):
    with pytest.raises(UserError, match=rf"data\.{name} is 0; expected 1 or more"):
        Numbered(**{name: 0})


def test_rows_except_are_all_others():
    assert rows_except(6, torch.tensor([4]), torch.tensor([0, 1])).tolist() == [2, 3, 5]
