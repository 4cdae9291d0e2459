import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.common.seeds import derive_seed
from app.common.vocabulary import EOS, Vocabulary
from datamodules import EvalWindowLoader, TextDataModule, WindowLoader
from datamodules.text import Corpus

SIZES = {"train": 400, "val": 90, "test": 50}


class Words(TextDataModule):
    """The texts together are 0, 1, 2, ..."""

    sizes = SIZES
    times_read = 0

    def read(self) -> Corpus:
        self.times_read += 1
        parts = torch.arange(sum(self.sizes.values())).split(list(self.sizes.values()))
        return Corpus(Vocabulary([EOS, "a"]), dict(zip(self.sizes, parts, strict=True)), {"words": "abc"})


def prepared(**options) -> Words:
    data = Words(**options)
    data.prepare()
    return data


def test_the_words_are_read_once():
    data = prepared()
    for stage in ("fit", "validate", "test", None):
        data.prepare_data()
        data.setup(stage)
    assert data.times_read == 1
    assert data.vocabulary.words == [EOS, "a"]
    data.checksums["words"] = "changed"
    assert data.checksums == {"words": "abc"}


def test_each_text_is_cut_into_its_own_number_of_columns():
    data = prepared(batch_size=4, val_batch_size=3, test_batch_size=2, bptt=30)
    train, val, test = data.train_dataloader(), data.val_dataloader(), data.test_dataloader()
    assert isinstance(train, WindowLoader)
    assert isinstance(val, EvalWindowLoader)
    assert isinstance(test, EvalWindowLoader)
    # By arithmetic: the first words of the columns, and how long these are.
    assert train.columns[0].tolist() == [0, 100, 200, 300]
    assert val.columns[0].tolist() == [400, 430, 460]
    assert test.columns[0].tolist() == [490, 515]
    assert [len(loader.columns) for loader in (train, val, test)] == [100, 30, 25]
    assert next(iter(val)).inputs.shape == (29, 3)
    assert {train.bptt, val.bptt, test.bptt} == {30}


def test_the_defaults_are_the_papers():
    data = Words()
    assert (data.batch_size, data.val_batch_size, data.test_batch_size, data.bptt) == (20, 10, 1, 70)


@given(seed=st.integers(0, 2**32 - 1))
def test_the_lengths_come_from_the_seed(seed):
    loader = prepared(batch_size=1, seed=seed).train_dataloader()
    assert loader.seed == derive_seed(seed, 0, "windows")


def test_reseeded_it_draws_other_lengths_of_the_same_text():
    data = prepared(batch_size=1, bptt=20)
    before = data.train_dataloader()
    data.reseed(split=1, order=99)
    after = data.train_dataloader()
    assert after.seed == 99
    assert before.seed == derive_seed(0, 0, "windows")  # a loader made before keeps its own
    assert torch.equal(after.columns, before.columns)
    assert data.times_read == 1


def test_about_how_many_windows_an_epoch_has_is_known():
    data = prepared(batch_size=1, bptt=20)
    loader = data.train_dataloader()
    actual = [len(loader.lengths(epoch)) for epoch in range(50)]
    assert data.iterations_per_epoch == pytest.approx(sum(actual) / 50, abs=1)


class FakeTrainer:
    """The part of a Trainer that the data module uses."""

    def __init__(self, rank: int, world_size: int, processed: int) -> None:
        self.global_rank, self.world_size = rank, world_size
        self.fit_loop = self.epoch_progress = self.current = self
        self.processed = processed
        self.strategy, self.root_device = self, torch.device("cpu")


def test_each_process_gets_its_columns_and_the_epoch_that_the_trainer_is_in():
    data = prepared(batch_size=4, val_batch_size=2)
    data.trainer = FakeTrainer(1, 2, processed=3)
    train = data.train_dataloader()
    assert train.columns[0].tolist() == [100, 300]
    assert [w.drawn for w in train] == train.lengths(3)
    assert data.val_dataloader().columns[0].tolist() == [445]
    assert data.test_dataloader().columns.shape == (50, 1)  # a single column cannot be shared


def test_columns_that_processes_cannot_share_are_refused():
    data = prepared(batch_size=5)
    data.trainer = FakeTrainer(0, 2, processed=0)
    with pytest.raises(UserError, match=r"2 processes cannot share a batch of 5 columns equally; .*data\.batch_size"):
        data.train_dataloader()


@pytest.mark.parametrize("name", ["batch_size", "val_batch_size", "test_batch_size", "bptt"])
def test_sizes_below_one_are_refused(name):
    with pytest.raises(UserError, match=f"^data.{name} is 0; expected 1 or more$"):
        Words(**{name: 0})


@pytest.mark.parametrize(
    ("option", "part", "fits", "rows"),
    [("batch_size", "train", 133, 3), ("val_batch_size", "val", 45, 2), ("test_batch_size", "test", 25, 2)],
)
def test_a_text_too_short_for_its_columns_is_refused(option, part, fits, rows):
    data = prepared(**{option: fits})
    assert len(list(data.train_dataloader())) >= 1
    words = SIZES[part]
    message = rf"the {part} text has {words} words, too few for {fits + 1} columns of {rows} or more; .* data\.{option}"
    with pytest.raises(UserError, match=message):
        prepared(**{option: fits + 1})


@pytest.mark.parametrize("ask", [Words.train_dataloader, Words.val_dataloader, lambda d: d.vocabulary])
def test_before_anything_is_read_a_line_says_so(ask):
    with pytest.raises(UserError, match=r"^Words: the data has not been read yet; call prepare\(\) first$"):
        ask(Words())
