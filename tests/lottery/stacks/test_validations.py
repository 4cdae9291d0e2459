"""The iterations that Lightning validates after, told from the configuration."""

from typing import Any

import pytest
from helpers.tiny import Probe, TinyData, TinyModule, tiny_trainer, with_validation

from app.lottery.stacks.validations import Validations

ITERATIONS = 23  # an epoch has 7 batches


@pytest.mark.parametrize(
    "arguments",
    [
        {"val_check_interval": 4, "check_val_every_n_epoch": None},
        {"val_check_interval": 10, "check_val_every_n_epoch": None},
        {"val_check_interval": 1.0, "check_val_every_n_epoch": 1},
        {"val_check_interval": None, "check_val_every_n_epoch": 2},
        {"val_check_interval": 3, "check_val_every_n_epoch": 1},
        {"val_check_interval": 0.4, "check_val_every_n_epoch": 1},
    ],
    ids=str,
)
def test_as_lightning(arguments: dict[str, Any]) -> None:
    seen: list[int] = []

    def note(trainer: Any, module: Any) -> None:
        if not trainer.sanity_checking:
            seen.append(trainer.global_step)

    trainer = tiny_trainer([Probe(on_validation_end=note)], max_steps=ITERATIONS, **with_validation(1) | arguments)
    trainer.fit(TinyModule(), datamodule=TinyData())
    validations = Validations.configured(arguments, batches=7)
    assert [step for step in range(1, ITERATIONS + 1) if validations.follows(step)] == seen


def test_next() -> None:
    every = Validations(7, 4, None)
    assert [every.next(iteration, 10) for iteration in (0, 3, 4, 8)] == [4, 4, 8, 10]
