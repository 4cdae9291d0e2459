"""All rounds of a script see the batches and the random numbers of the dense training, from its first iteration on."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from helpers.pruning import STEPS, StoppedError, draw
from helpers.tiny import RATES, Probe, TinyData, TinyModule, tiny_trainer, with_validation
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset, WeightedRandomSampler

from callbacks import IterativePruningCallback
from callbacks.first_random_numbers import FirstRandomNumbers

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*sampler has shuffling enabled"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
]
SET = TensorDataset(*TinyData().sets["train"])


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def cached(make: Callable[[], DataLoader]) -> Callable[[], DataLoader]:
    """One loader for all fits."""
    loader = make()
    return lambda: loader


def with_sampler(**arguments: Any) -> DataLoader:
    return DataLoader(SET, batch_size=4, **arguments)


def batches_of(sampler: Any) -> DataLoader:
    return DataLoader(SET, batch_sampler=BatchSampler(sampler, 4, drop_last=False))


# Functions that return a function that makes the loader of a fit.
LOADERS: dict[str, Callable[[], Callable[[], DataLoader]]] = {
    "shuffled": lambda: lambda: with_sampler(shuffle=True),
    "shuffled by a process": lambda: lambda: with_sampler(shuffle=True, num_workers=1),
    "shuffled, one loader": lambda: cached(lambda: with_sampler(shuffle=True)),
    "a generator, one loader": lambda: cached(lambda: with_sampler(shuffle=True, generator=generator())),
    "a generator and a process": lambda: cached(
        lambda: with_sampler(shuffle=True, generator=generator(), num_workers=1, persistent_workers=True)
    ),
    "a sampler with a generator": lambda: cached(
        lambda: with_sampler(sampler=WeightedRandomSampler([1.0] * 26, 26, generator=generator()))
    ),
    "a batch sampler with a generator": lambda: cached(lambda: batches_of(RandomSampler(SET, generator=generator()))),
}


class Seen(TinyModule):
    """Remembers each batch and what was drawn from every generator that a training may draw from."""

    def __init__(self) -> None:
        super().__init__()
        self.net.dropout.p = 0.4
        self.batches: list[list[Any]] = []

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        drawn = torch.rand(1).item(), np.random.rand(), random.random()
        self.batches[-1].append((batch[0].flatten().tolist(), drawn))
        return super().training_step(batch, batch_idx)


class Given(LightningDataModule):
    """Data with this loader."""

    def __init__(self, make: Callable[[], DataLoader]) -> None:
        super().__init__()
        self.make = make

    def train_dataloader(self) -> DataLoader:
        return self.make()


def fit(pruning: IterativePruningCallback, module: Seen, data: Any, *callbacks: Any, **arguments: Any) -> None:
    module.batches.append([])
    trainer = tiny_trainer([pruning, *callbacks], **{"max_steps": STEPS} | arguments)
    if isinstance(data, Given):
        trainer.fit(module, data)
    else:
        trainer.fit(module, data())


@pytest.mark.parametrize(
    ("name", "rewind_to"), [*((name, "5it") for name in LOADERS), ("shuffled", "0it"), ("shuffled by a process", "0it")]
)
def test_every_round_sees_the_batches_and_the_random_numbers_of_the_dense_one(name: str, rewind_to: str) -> None:
    torch.manual_seed(0)
    make = LOADERS[name]()
    pruning, module = IterativePruningCallback(RATES, rewind_to=rewind_to), Seen()
    for round in range(3):
        fit(pruning, module, make if round < 2 else Given(make))
        # What a user may draw between two fits.
        torch.rand(3), np.random.rand(3), random.random()
    dense = module.batches[0]
    assert len(dense) == STEPS
    assert dense[:3] != dense[7:], "the two epochs are the same: nothing is shuffled"
    assert module.batches == [dense] * 3


class Split(Given):
    """Draws its split in every fit, before a callback can set a generator."""

    def setup(self, stage: str) -> None:
        self.rows = torch.randperm(26)[:20].tolist()

    def train_dataloader(self) -> DataLoader:
        return DataLoader([SET[row] for row in self.rows], batch_size=4)


def test_other_batches_are_said_to_be_others() -> None:
    torch.manual_seed(0)
    pruning, module, data = IterativePruningCallback(RATES), TinyModule(), Split(with_sampler)
    tiny_trainer([pruning], max_steps=5).fit(module, data)
    with pytest.warns(UserWarning, match="this round sees other batches than the dense training") as said:
        tiny_trainer([pruning], max_steps=5).fit(module, data)
    assert "\n" not in str(said[0].message)
    assert pruning.round == 1


@pytest.mark.parametrize(
    "batch", [torch.ones(3), [torch.ones(2, dtype=torch.bool)], {"x": (torch.ones(()),), "y": "text"}, "text", None]
)
def test_batches_of_any_kind_are_compared(batch: Any) -> None:
    numbers = FirstRandomNumbers()
    for _ in range(2):
        numbers.compare(batch)  # a warning would be an error
    if not isinstance(batch, str | None):
        with pytest.warns(UserWarning, match="other batches"):
            numbers.compare([torch.zeros(3)])


def test_layers_that_are_drawn_in_the_first_fit_only_change_no_batches() -> None:
    class Later(Seen):
        def configure_model(self) -> None:
            if not hasattr(self, "scale"):
                self.scale = torch.nn.Linear(3, 3)

    torch.manual_seed(0)
    pruning, module = IterativePruningCallback(), Later()
    module.prunable_parameters = dict
    for _ in range(2):
        fit(pruning, module, LOADERS["shuffled"]())
    assert module.batches[1] == module.batches[0]


def test_a_checkpoint_holds_the_states_of_generators(tmp_path: Any) -> None:
    torch.manual_seed(0)
    module, make = Seen(), LOADERS["a generator, one loader"]()
    pruning = IterativePruningCallback(RATES)
    for _ in range(2):
        fit(pruning, module, make)
    trainer = tiny_trainer([pruning], max_steps=STEPS)
    trainer.fit(module, make())
    trainer.save_checkpoint(tmp_path / "end.ckpt")
    torch.load(tmp_path / "end.ckpt", weights_only=True)

    torch.manual_seed(1)
    other, make, ours = Seen(), LOADERS["a generator, one loader"](), IterativePruningCallback(RATES)
    list(make())  # its generator is elsewhere
    tiny_trainer([ours], max_steps=STEPS).fit(other, make(), ckpt_path=tmp_path / "end.ckpt")
    fit(ours, other, make)
    assert ours.round == 3
    assert other.batches[-1] == module.batches[0]


def test_validation_loaders_are_left_alone() -> None:
    torch.manual_seed(0)
    drawn = generator()
    loaders = with_sampler(shuffle=True), with_sampler(shuffle=True, generator=drawn)
    pruning, module, seen = IterativePruningCallback(RATES), TinyModule(), []
    look = Probe(on_fit_start=lambda *_: seen.append(drawn.get_state()))
    for _ in range(2):
        tiny_trainer([look, pruning], max_steps=STEPS, **with_validation(5)).fit(module, *loaders)
    assert not seen[0].equal(seen[1])


def test_a_failed_fit_leaves_the_strategy_as_it_was() -> None:
    def fail(*_: Any) -> None:
        raise StoppedError

    pruning = IterativePruningCallback(RATES)
    trainer = tiny_trainer([pruning, Probe(on_fit_start=fail)], max_steps=STEPS)
    with pytest.raises(StoppedError):
        trainer.fit(TinyModule(), TinyData())
    assert "process_dataloader" not in vars(trainer.strategy)
    draw(pruning, TinyModule(), 1)
