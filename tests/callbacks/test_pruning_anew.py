"""What a round leaves as it is, and what begins anew."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.pruning import STEPS, SURVIVORS, counts, draw
from helpers.tiny import (
    RATES,
    Probe,
    TinyData,
    TinyModule,
    TinyNet,
    same,
    tiny_trainer,
    weights,
    with_validation,
)
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers.logger import Logger
from torch import Tensor, nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import ChainedScheduler, LambdaLR

from app.common.errors import UserError
from callbacks import IterativePruningCallback

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


def test_parameters_stay_the_objects_and_the_memory_that_they_were(module: TinyModule) -> None:
    before = [(id(parameter), parameter.data_ptr()) for parameter in module.parameters()]
    keys = module.state_dict().keys()
    draw(IterativePruningCallback(RATES), module, 3)
    assert [(id(parameter), parameter.data_ptr()) for parameter in module.parameters()] == before
    assert module.state_dict().keys() == keys


def test_tied_weights_are_masked_once_and_stay_tied() -> None:
    class Tied(TinyNet):
        def __init__(self) -> None:
            super().__init__()
            self.again = nn.Linear(6, 8)
            self.again.weight = self.fc.weight

        def forward(self, rows: Tensor) -> Tensor:
            return super().forward(rows) + self.output(self.again(rows))

    torch.manual_seed(0)
    module = TinyModule(Tied())
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module)
    assert counts(pruning.masks) == SURVIVORS[3]
    assert module.net.again.weight is module.net.fc.weight
    assert int((module.net.again.weight != 0).sum()) == 17


def warm_up(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    # 0 in the first iteration, so that a rate read off the optimiser is not its own; falling later.
    scheduler = LambdaLR(optimizer, lambda step: min(step / 3, 0.9**step))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


CONFIGURATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "adam": (lambda module: Adam(module.parameters(), lr=0.05), lambda optimizer: optimizer),
    "momentum": (lambda module: SGD(module.parameters(), lr=0.1, momentum=0.9), lambda optimizer: optimizer),
    "with a schedule": (lambda module: Adam(module.parameters(), lr=0.05), warm_up),
    "with a rate that is a tensor": (
        lambda module: SGD(module.parameters(), lr=torch.tensor(0.1), momentum=0.9, foreach=False),
        warm_up,
    ),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_an_optimiser_handed_out_again_is_as_new(name: str) -> None:
    make, wrap = CONFIGURATIONS[name]
    results = []
    for fresh in (True, False):
        torch.manual_seed(0)
        module = TinyModule()
        one = make(module)
        module.configure = lambda module, one=one, fresh=fresh: wrap(make(module) if fresh else one)
        draw(IterativePruningCallback(RATES), module, 3)
        results.append(weights(module))
    assert same(*results)


def chained(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    chain = ChainedScheduler([LambdaLR(optimizer, lambda step: 0.9**step)], optimizer)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": chain, "interval": "step"}}


@pytest.mark.parametrize("make", [warm_up, chained])
def test_a_schedule_that_has_run_is_refused(module: TinyModule, make: Callable[[Any], Any]) -> None:
    configured = make(Adam(module.parameters(), lr=0.05))
    module.configure = lambda module: configured
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 1)
    with pytest.raises(UserError, match="scheduler that has already run; make a new one") as raised:
        draw(pruning, module, 1)
    assert "\n" not in str(raised.value)


def test_a_schedule_without_a_counter_is_accepted(module: TinyModule) -> None:
    module.configure = lambda module: chained(SGD(module.parameters(), lr=0.1))
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 2)
    assert pruning.round == 1


@pytest.mark.parametrize("mode", ["min", "max"])
def test_early_stopping_shared_by_all_rounds_begins_anew(module: TinyModule, mode: str) -> None:
    stopping = EarlyStopping("val_loss", mode=mode, patience=2, min_delta=100)
    pruning, lengths, seen = IterativePruningCallback(RATES), [], []

    def note(*_: Any) -> None:
        seen.append({name: value for name, value in vars(stopping).items() if not name.startswith("_")})

    for _ in range(3):
        trainer = tiny_trainer([stopping, Probe(on_train_start=note), pruning], max_steps=STEPS, **with_validation(2))
        trainer.fit(module, TinyData())
        lengths.append(trainer.global_step)
    assert lengths == [6, 6, 6]
    assert seen[0] == seen[1] == seen[2]
    assert seen[0]["best_score"] == (torch.inf if mode == "min" else -torch.inf)


class Steps(Logger):
    """Remembers at which step something was logged."""

    name, version = "steps", 0

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int | None] = []

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Nothing to keep."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.steps.append(step)


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_steps": STEPS},
        {"max_steps": STEPS} | with_validation(3),
        {"max_steps": -1, "max_epochs": 2},
        {"max_steps": -1, "max_epochs": 2, "limit_val_batches": 1.0},
    ],
)
def test_one_trainer_for_all_rounds_does_as_well(arguments: dict[str, Any]) -> None:
    results = []
    for fresh in (True, False):
        torch.manual_seed(0)
        module, data, pruning, logger = (
            TinyModule(TinyNet(dropout=0.3)),
            TinyData(),
            IterativePruningCallback(RATES),
            Steps(),
        )
        passed: list[tuple[int, int]] = []
        probe = Probe(on_train_batch_end=lambda t, _, passed=passed: passed.append((t.global_step, t.current_epoch)))
        arguments = arguments | {"logger": logger, "log_every_n_steps": 1}
        trainer = tiny_trainer([pruning, probe], **arguments)
        for _ in range(3):
            trainer = tiny_trainer([pruning, probe], **arguments) if fresh else trainer
            trainer.fit(module, data)
        results.append((weights(module), passed, logger.steps, counts(pruning.masks)))
    (fresh_weights, *fresh_rest), (one_weights, *one_rest) = results
    assert one_rest == fresh_rest
    assert same(one_weights, fresh_weights)


@pytest.mark.parametrize("rewind_to", ["0it", "3it"])
def test_random_numbers_begin_again_as_in_the_dense_training(rewind_to: str) -> None:
    class Recorded(nn.Dropout):
        """Dropout that shows what it keeps."""

        def forward(self, rows: Tensor) -> Tensor:
            kept = super().forward(torch.ones_like(rows))
            if self.training:
                seen[-1].append(kept)
            return rows * kept

    seen: list[list[Tensor]] = []
    torch.manual_seed(0)
    module = TinyModule()
    module.net.dropout = Recorded(0.5)
    pruning = IterativePruningCallback(RATES, rewind_to=rewind_to)
    for _ in range(3):
        seen.append([])
        draw(pruning, module, 1)
        torch.rand(5)  # what a user may draw between rounds
    for later in seen[1:]:
        assert len(later) == STEPS
        assert all(map(torch.equal, seen[0], later))
    assert not seen[0][0].equal(seen[0][1])
