"""Tickets drawn with real Trainers, against plain PyTorch loops and counts by hand."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers_tiny import (
    RATES,
    Probe,
    TinyData,
    TinyModule,
    TinyNet,
    optimizers,
    same,
    tiny_trainer,
    weights,
    with_validation,
)
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, LambdaCallback
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy, FSDPStrategy
from torch import Tensor, nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import ChainedScheduler, LambdaLR

from app.errors import RunError, UserError
from callbacks import IterativePruningCallback

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

# 48 weights in fc, 30 % of the survivors gone each time: 14.4, 10.2, 7.2. 24 in output, 20 %: 4.8, 3.8, 3.0.
SURVIVORS = [
    {"net.fc.weight": 48, "net.output.weight": 24},
    {"net.fc.weight": 34, "net.output.weight": 19},
    {"net.fc.weight": 24, "net.output.weight": 15},
    {"net.fc.weight": 17, "net.output.weight": 12},
]
STEPS = 10


class StoppedError(Exception):
    pass


@pytest.fixture
def module() -> TinyModule:
    torch.manual_seed(0)
    return TinyModule()


def counts(masks: dict[str, Tensor]) -> dict[str, int]:
    return {name: int(mask.sum()) for name, mask in masks.items()}


def masked(state: dict[str, Tensor], masks: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.masked_fill(~masks[name], 0) if name in masks else value for name, value in state.items()}


def draw(
    pruning: IterativePruningCallback, module: TinyModule, rounds: int = 4, *probes: Any, **arguments: Any
) -> None:
    """The script of a user: as many fits as networks."""
    for _ in range(rounds):
        tiny_trainer([pruning, *probes], **{"max_steps": STEPS} | arguments).fit(module, TinyData())


def starts_of(pruning: IterativePruningCallback, module: TinyModule, rounds: int, **arguments: Any) -> list[Any]:
    """Weights at the start of each round's training."""
    starts: list[dict[str, Tensor]] = []
    draw(pruning, module, rounds, Probe(on_train_start=lambda _, module: starts.append(weights(module))), **arguments)
    return starts


# What a ticket is


def test_a_users_script_draws_tickets(module: TinyModule) -> None:
    data = TinyData()
    pruning = IterativePruningCallback(RATES)
    drawn = []
    for _ in range(4):
        Trainer(
            max_steps=STEPS, callbacks=[pruning], accelerator="cpu", logger=False, enable_checkpointing=False,
            **with_validation(4),
        ).fit(module, data)  # fmt: skip
        drawn.append(counts(pruning.masks))
        assert {name: int((module.get_parameter(name) != 0).sum()) for name in pruning.masks} == drawn[-1]
    assert drawn == SURVIVORS
    assert pruning.round == 3


def test_masks_are_nested_and_lose_the_smallest_trained_weights(module: TinyModule) -> None:
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 1)
    for _ in range(3):
        before, trained = pruning.masks, weights(module)
        draw(pruning, module, 1)
        for name, mask in pruning.masks.items():
            assert not (mask & ~before[name]).any()
            gone, kept = trained[name][before[name] & ~mask].abs(), trained[name][mask].abs()
            assert gone.max() <= kept.min()


def test_global_scope_counts_over_the_tensors_of_a_kind(module: TinyModule) -> None:
    module.prunable_parameters = lambda: {"net.fc.weight": "fc", "net.output.weight": "fc"}
    pruning = IterativePruningCallback({"fc": 0.3}, scope="global")
    draw(pruning, module, 2)
    assert sum(counts(pruning.masks).values()) == 72 - 22  # 21.6


@pytest.mark.parametrize("norm", [False, True])
def test_every_round_starts_at_the_masked_initial_weights(norm: bool) -> None:
    torch.manual_seed(0)
    module = TinyModule(TinyNet(norm=norm))
    initial = weights(module)
    pruning = IterativePruningCallback(RATES)
    for round in range(4):
        (start,) = starts_of(pruning, module, 1)
        assert same(start, masked(initial, pruning.masks)), f"round {round}"
        assert not same(start, weights(module)), "nothing was trained"


@pytest.mark.parametrize(
    ("rewind_to", "arguments", "iteration"),
    [
        ("3it", {}, 3),
        ("1ep", {}, 7),
        ("3it", {"accumulate_grad_batches": 2}, 3),
        ("1ep", {"accumulate_grad_batches": 2}, 4),
        ("1ep", {"max_steps": -1, "max_epochs": 2}, 7),
        ("1ep", {"limit_train_batches": 3}, 3),
        ("9it", {}, 9),
    ],
)
@pytest.mark.filterwarnings("ignore:.*limit_train_batches.*")
def test_rounds_start_where_the_dense_training_stood(rewind_to: str, arguments: dict[str, int], iteration: int) -> None:
    torch.manual_seed(0)
    module = TinyModule(TinyNet(norm=True))
    passed: dict[int, dict[str, Tensor]] = {}

    def note(trainer: Trainer, module: TinyModule) -> None:
        passed.setdefault(trainer.global_step, weights(module))

    pruning = IterativePruningCallback(RATES, rewind_to=rewind_to)
    draw(pruning, module, 1, Probe(on_train_batch_end=note), **arguments)
    for _ in range(2):
        (start,) = starts_of(pruning, module, 1, **arguments)
        assert same(start, masked(passed[iteration], pruning.masks))
        assert same(pruning.rewind_point, passed[iteration])


@pytest.mark.parametrize(("rewind_to", "length"), [("10it", {"max_steps": 10}), ("2ep", {"max_epochs": 2})])
def test_a_moment_beyond_the_training_is_refused_before_it_begins(
    module: TinyModule, rewind_to: str, length: dict[str, int]
) -> None:
    steps = []
    probe = Probe(on_train_batch_start=lambda *_: steps.append(1))
    trainer = tiny_trainer([IterativePruningCallback(RATES, rewind_to=rewind_to), probe], **length)
    with pytest.raises(UserError, match=rf"rewind_to is {rewind_to}.*ends at iteration") as raised:
        trainer.fit(module, TinyData())
    assert not steps
    assert "\n" not in str(raised.value)


def test_a_dense_training_stopped_before_the_rewind_point_draws_no_ticket(module: TinyModule) -> None:
    pruning = IterativePruningCallback(RATES, rewind_to="5it")
    stop = Probe(on_train_batch_end=lambda trainer, _: setattr(trainer, "should_stop", trainer.global_step >= 3))
    draw(pruning, module, 1, stop)
    with pytest.raises(UserError, match=r"nothing to rewind to.*5it"):
        draw(pruning, module, 1)


def test_the_dense_round_is_what_it_is_without_the_callback() -> None:
    results = []
    for callbacks in ([], [IterativePruningCallback(RATES, rewind_to="2it")]):
        torch.manual_seed(0)
        module = TinyModule(TinyNet(dropout=0.3, norm=True))
        tiny_trainer(callbacks, max_steps=STEPS, gradient_clip_val=0.5, **with_validation(3)).fit(module, TinyData())
        results.append((weights(module), torch.get_rng_state()))
    assert same(results[0][0], results[1][0])
    assert results[0][1].equal(results[1][1])


# During a training


def plain_training(
    start: dict[str, Tensor],
    masks: dict[str, Tensor],
    *,
    optimizer: Callable[[Any], torch.optim.Optimizer],
    clip: float | None,
    accumulate: int = 1,
) -> dict[str, Tensor]:
    """A masked training in plain PyTorch: one training set, in the order of fresh loaders."""
    module = TinyModule()
    module.load_state_dict(start)
    adam, loader = optimizer(module), TinyData().train_dataloader()
    batches = [batch for _ in range(6) for batch in loader]  # an epoch has 7
    parameters = dict(module.named_parameters())
    taken = steps = 0
    while steps < STEPS:
        rows, labels = batches[taken]
        taken += 1
        (F.cross_entropy(module.net(rows), labels) / accumulate).backward()
        if taken % 7 % accumulate and taken % 7:
            continue
        for name, mask in masks.items():
            parameters[name].grad *= mask
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(module.parameters(), clip)
        adam.step()
        adam.zero_grad()
        steps += 1
        with torch.no_grad():
            for name, mask in masks.items():
                parameters[name] *= mask
    return weights(module)


@pytest.mark.parametrize("name", optimizers())
@pytest.mark.parametrize(("clip", "accumulate"), [(None, 1), (0.05, 3)])
def test_a_ticket_trains_as_in_a_plain_loop(name: str, clip: float | None, accumulate: int) -> None:
    torch.manual_seed(0)
    module = TinyModule(configure=optimizers()[name])
    pruning = IterativePruningCallback({"fc": 0.8, "output": 0.7})
    draw(pruning, module, 2, gradient_clip_val=clip, accumulate_grad_batches=accumulate)
    start = masked(pruning.rewind_point, pruning.masks)
    expected = plain_training(start, pruning.masks, optimizer=optimizers()[name], clip=clip, accumulate=accumulate)
    trained = weights(module)
    assert all(trained[name].equal(value) for name, value in expected.items())  # whatever the sign of a masked 0


@pytest.mark.parametrize(("name", "accumulate"), [*((name, 1) for name in optimizers()), ("adam", 2)])
def test_masked_weights_are_zero_at_every_moment(name: str, accumulate: int) -> None:
    torch.manual_seed(0)
    module = TinyModule(configure=optimizers()[name])
    pruning, looks = IterativePruningCallback(RATES), []

    def look(trainer: Trainer, module: TinyModule) -> None:
        looks.append(all(not module.get_parameter(name)[~mask].any() for name, mask in pruning.masks.items()))

    moments = ("on_train_start", "on_train_batch_start", "on_train_batch_end", "on_validation_start", "on_train_end")
    probe = Probe(**dict.fromkeys(moments, look))
    draw(pruning, module, 3, probe, accumulate_grad_batches=accumulate, **with_validation(3))
    assert len(looks) > 60
    assert all(looks)


def test_what_an_optimiser_does_to_masked_weights_is_undone(module: TinyModule) -> None:
    class Restless(SGD):
        """Moves every weight, whatever its gradient."""

        def step(self, closure: Any = None) -> Any:
            loss = super().step(closure)
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.data += 0.01
            return loss

    module.configure = lambda module: Restless(module.parameters(), lr=0.1)
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 3)
    assert {name: int((module.get_parameter(name) != 0).sum()) for name in pruning.masks} == SURVIVORS[2]


def test_only_live_gradients_reach_the_optimiser_and_the_clipping(module: TinyModule) -> None:
    pruning, norms = IterativePruningCallback(RATES), []

    class Watched(SGD):
        def step(self, closure: Any = None) -> Any:
            closure()
            grads = {name: parameter.grad for name, parameter in module.named_parameters()}
            assert all(not grads[name][~mask].any() for name, mask in pruning.masks.items())
            norms.append(torch.cat([grad.flatten() for grad in grads.values()]).norm().item())
            return super().step()

    module.configure = lambda module: Watched(module.parameters(), lr=0.1)
    draw(pruning, module, 3, gradient_clip_val=0.01)
    # Clipped to exactly the allowed norm, although most of the gradient was masked: the masked part took no share.
    assert norms[-STEPS:] == pytest.approx([0.01] * STEPS, rel=1e-3)


def test_a_masked_gradient_that_is_not_finite_does_no_harm() -> None:
    class Rooted(TinyModule):
        """Penalises sqrt(w ** 2), whose gradient at a masked weight is 0 / 0."""

        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            return super().training_step(batch, batch_idx) + 0.01 * self.net.fc.weight.square().sqrt().sum()

    torch.manual_seed(0)
    module, pruning = Rooted(), IterativePruningCallback(RATES)
    draw(pruning, module, 2)
    assert all(value.isfinite().all() for value in weights(module).values())
    assert not module.net.fc.weight[~pruning.masks["net.fc.weight"]].any()


# What stays and what begins anew


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
def test_random_numbers_go_back_to_the_rewind_point(rewind_to: str) -> None:
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
    # 7 batches an epoch, the last of 2 rows: compare what two trainings can have in common.
    skipped = pruning._rewind_iteration
    dense = [kept for kept in seen[0][skipped:7] if len(kept) == 4]
    for later in seen[1:]:
        assert all(map(torch.equal, dense, later))
        assert all(map(torch.equal, seen[1], later))
    assert not seen[0][0].equal(seen[0][1])


# How it is used


def test_testing_and_validating_draw_no_ticket(module: TinyModule) -> None:
    pruning, initial, buffers = IterativePruningCallback(RATES), weights(module), dict(module.named_buffers())
    trainer = tiny_trainer([pruning], **with_validation(3))
    trainer.test(module, TinyData(), verbose=False)
    trainer.validate(module, TinyData(), verbose=False)
    assert same(weights(module), initial)
    assert dict(module.named_buffers()) == buffers
    assert (pruning.round, pruning.masks, pruning.rewind_point, pruning.trained) == (0, {}, {}, False)


def test_testing_between_two_rounds_changes_nothing(module: TinyModule) -> None:
    results = []
    for test in (False, True):
        torch.manual_seed(0)
        module, pruning = TinyModule(), IterativePruningCallback(RATES)
        for _ in range(3):
            draw(pruning, module, 1)
            if test:
                trained = weights(module)
                tiny_trainer([pruning]).test(module, TinyData(), verbose=False)
                assert same(weights(module), trained)
        results.append(weights(module))
    assert same(*results)


def test_a_round_drawn_by_hand_is_not_drawn_twice(module: TinyModule) -> None:
    pruning, initial = IterativePruningCallback(RATES), weights(module)
    draw(pruning, module, 1)
    pruning.next_round(module)
    assert counts(pruning.masks) == SURVIVORS[1]
    assert same(weights(module), masked(initial, pruning.masks))
    (start,) = starts_of(pruning, module, 1)
    assert pruning.round == 1
    assert same(start, masked(initial, pruning.masks))


def test_there_is_no_next_round_before_the_first(module: TinyModule) -> None:
    with pytest.raises(UserError, match=r"nothing to rewind to.*fit first"):
        IterativePruningCallback(RATES).next_round(module)


def test_a_failed_training_is_not_pruned(module: TinyModule) -> None:
    def fail(trainer: Trainer, module: TinyModule) -> None:
        if trainer.global_step == 4:
            raise StoppedError

    pruning = IterativePruningCallback(RATES)
    for _ in range(2):
        with pytest.raises(StoppedError):
            draw(pruning, module, 1, Probe(on_train_batch_end=fail))
    assert pruning.round == 0
    assert counts(pruning.masks) == SURVIVORS[0]


def test_an_adopted_ticket_is_trained_as_it_is(module: TinyModule) -> None:
    pruning, initial = IterativePruningCallback(RATES), weights(module)
    masks = {name: torch.rand_like(initial[name]) < 0.5 for name in SURVIVORS[0]}
    pruning.adopt(masks, round=5)
    (start,) = starts_of(pruning, module, 1)
    assert pruning.round == 5
    assert same(start, masked(initial, masks))
    assert counts(pruning.masks) == counts(masks)
    with pytest.raises(UserError, match="nothing to rewind to"):
        draw(pruning, module, 1)


def test_weights_that_are_not_finite_draw_no_ticket(module: TinyModule) -> None:
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 1)
    module.net.fc.weight.data[2, 3] = torch.nan
    with pytest.raises(RunError, match=r"net\.fc\.weight holds weights that are not finite"):
        draw(pruning, module, 1)


# Checkpoints


def save_at(step: int, path: Path) -> Probe:
    def save(trainer: Trainer, module: TinyModule) -> None:
        if trainer.global_step == step:
            trainer.save_checkpoint(path)
            raise StoppedError

    return Probe(on_train_batch_end=save)


@functools.cache
def uninterrupted(rounds: int, rewind_to: str, dropout: float = 0.0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    torch.manual_seed(0)
    module, pruning = TinyModule(TinyNet(dropout=dropout)), IterativePruningCallback(RATES, rewind_to=rewind_to)
    draw(pruning, module, rounds)
    return weights(module), pruning.masks


@pytest.mark.parametrize("rewind_to", ["0it", "5it"])
@pytest.mark.parametrize(("round", "step"), [(0, 3), (0, 5), (2, 1), (2, 7)])
def test_a_new_process_goes_on_from_a_checkpoint(tmp_path: Path, rewind_to: str, round: int, step: int) -> None:
    path = tmp_path / "mid.ckpt"
    torch.manual_seed(0)
    module, pruning = TinyModule(), IterativePruningCallback(RATES, rewind_to=rewind_to)
    draw(pruning, module, round)
    with pytest.raises(StoppedError):
        draw(pruning, module, 1, save_at(step, path))

    torch.manual_seed(99)
    module, pruning = TinyModule(), IterativePruningCallback(RATES, rewind_to=rewind_to)
    tiny_trainer([pruning], max_steps=STEPS).fit(module, TinyData(), ckpt_path=path)
    assert pruning.round == round
    expected, masks = uninterrupted(round + 1, rewind_to)
    assert same(weights(module), expected)
    assert same(pruning.masks, masks)

    draw(pruning, module, 1)
    expected, masks = uninterrupted(round + 2, rewind_to)
    assert same(weights(module), expected)
    assert same(pruning.masks, masks)


@pytest.mark.parametrize("dropout", [0.0, 0.3])  # whose random numbers a new process must find again
def test_a_new_process_goes_on_from_the_end_of_a_round(tmp_path: Path, dropout: float) -> None:
    torch.manual_seed(0)
    module, pruning = TinyModule(TinyNet(dropout=dropout)), IterativePruningCallback(RATES)
    draw(pruning, module, 1)
    trainer = tiny_trainer([pruning], max_steps=STEPS)
    trainer.fit(module, TinyData())
    trainer.save_checkpoint(tmp_path / "end.ckpt")

    torch.manual_seed(99)
    module, pruning = TinyModule(TinyNet(dropout=dropout)), IterativePruningCallback(RATES)
    tiny_trainer([pruning], max_steps=STEPS).fit(module, TinyData(), ckpt_path=tmp_path / "end.ckpt")
    draw(pruning, module, 1)
    expected, masks = uninterrupted(3, "0it", dropout)
    assert pruning.round == 2
    assert same(weights(module), expected)
    assert same(pruning.masks, masks)


def test_a_checkpoint_holds_tensors_and_plain_values_only(tmp_path: Path, module: TinyModule) -> None:
    pruning = IterativePruningCallback(RATES)
    with pytest.raises(StoppedError):
        draw(pruning, module, 1, save_at(3, tmp_path / "3.ckpt"))
    checkpoint = torch.load(tmp_path / "3.ckpt", weights_only=True)
    state = checkpoint["callbacks"][pruning.state_key]
    assert state["round"] == 0
    assert all(mask.dtype == torch.bool for mask in state["masks"].values())
    assert not any("mask" in name for name in checkpoint["state_dict"])


@pytest.mark.parametrize("change", ["renamed", "another shape", "another prunable one", "one more layer"])
def test_a_checkpoint_of_another_network_is_refused_in_one_line(
    tmp_path: Path, module: TinyModule, change: str
) -> None:
    class Renamed(TinyNet):
        def __init__(self) -> None:
            super().__init__()
            self.out = self.output
            del self.output

        def prunable_parameters(self) -> dict[str, str]:
            return {"fc.weight": "fc", "out.weight": "output"}

        def forward(self, rows: Tensor) -> Tensor:
            return self.out(torch.relu(self.fc(rows)))

    with pytest.raises(StoppedError):
        draw(IterativePruningCallback(RATES), module, 1, save_at(3, tmp_path / "3.ckpt"))
    other = TinyModule(Renamed() if change == "renamed" else TinyNet())
    if change == "another shape":
        other.net.fc = nn.Linear(6, 9)
        other.net.output = nn.Linear(9, 3)
    if change == "one more layer":
        other.net.scale = nn.Linear(3, 3)
    if change == "another prunable one":
        other.prunable_parameters = lambda: {"net.fc.weight": "fc", "net.output.bias": "output"}
    trainer = tiny_trainer([IterativePruningCallback(RATES)], max_steps=STEPS)
    with pytest.raises(UserError, match=r"net\.") as raised:
        trainer.fit(other, TinyData(), ckpt_path=tmp_path / "3.ckpt")
    assert "\n" not in str(raised.value)


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`:UserWarning")  # Lightning's: not enough
def test_a_ticket_drawn_with_other_options_is_not_dropped_in_silence(tmp_path: Path, module: TinyModule) -> None:
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 2)
    with pytest.raises(StoppedError):
        draw(pruning, module, 1, save_at(3, tmp_path / "3.ckpt"))
    # Its weights would go on without their masks, as a dense network.
    trainer = tiny_trainer([IterativePruningCallback(RATES | {"fc": 0.4})], max_steps=STEPS)
    with pytest.raises(UserError, match=r"0\.3") as raised:
        trainer.fit(TinyModule(), TinyData(), ckpt_path=tmp_path / "3.ckpt")
    assert "\n" not in str(raised.value)


def test_another_version_of_the_state_is_refused(module: TinyModule) -> None:
    pruning = IterativePruningCallback(RATES)
    with pytest.raises(UserError, match=r"version 7.*reads 1"):
        pruning.load_state_dict(pruning.state_dict() | {"version": 7})


def test_callbacks_of_different_options_have_different_states() -> None:
    keys = {
        IterativePruningCallback(*arguments).state_key
        for arguments in (
            ({"fc": 0.2},),
            ({"fc": 0.3},),
            ({"fc": 0.2, "output": 0.1},),
            ({"fc": 0.2}, "global"),
            ({"fc": 0.2}, "layerwise", "1it"),
            ({"fc": 0.2}, "layerwise", "1ep"),
        )
    }
    assert len(keys) == 6
    assert IterativePruningCallback({"fc": 0.2}, rewind_to="0it").state_key in keys


# Refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rates": {}}, "rates is empty"),
        ({"rates": {"fc": 0}}, r"rates\.fc is 0"),
        ({"rates": {"fc": 0.2, "output": 1}}, r"rates\.output is 1"),
        ({"rates": {"fc": -0.2}}, r"rates\.fc is -0\.2"),
        ({"rates": {"fc": float("nan")}}, r"rates\.fc is nan"),
        ({"rates": RATES, "scope": "everywhere"}, "scope is 'everywhere'; choose one of layerwise, global"),
        ({"rates": RATES, "rewind_to": "soon"}, "rewind_to is 'soon'"),
        ({"rates": RATES, "rewind_to": "-1it"}, "rewind_to is '-1it'"),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        IterativePruningCallback(**arguments)
    assert isinstance(raised.value, ValueError)
    assert "\n" not in str(raised.value)


def test_a_module_that_declares_nothing_is_refused(module: TinyModule) -> None:
    module.net.prunable_parameters = dict
    with pytest.raises(UserError, match="TinyModule"):
        draw(IterativePruningCallback(RATES), module, 1)

    class Silent(TinyModule):
        @property
        def prunable_parameters(self) -> None:
            raise AttributeError

    with pytest.raises(UserError, match=r"Silent does not say what may be pruned.*prunable_parameters\(\)"):
        draw(IterativePruningCallback(RATES), Silent(), 1)


def test_kinds_without_a_rate_and_rates_without_a_kind_are_refused(module: TinyModule) -> None:
    with pytest.raises(UserError, match="no rate for output"):
        draw(IterativePruningCallback({"fc": 0.2}), module, 1)
    with pytest.raises(UserError, match="names conv"):
        draw(IterativePruningCallback(RATES | {"conv": 0.2}), module, 1)


@pytest.mark.parametrize("strategy", ["ddp_spawn", "ddp_fork", "ddp_notebook", FSDPStrategy(), DeepSpeedStrategy])
def test_strategies_that_copy_or_split_the_network_are_refused(module: TinyModule, strategy: Any) -> None:
    if strategy is DeepSpeedStrategy:  # an optional package; its class is there without it
        strategy = object.__new__(DeepSpeedStrategy)
        strategy._start_method = "popen"
    elif isinstance(strategy, str):
        strategy = DDPStrategy(start_method=strategy.removeprefix("ddp_").replace("notebook", "fork"))

    class Given:
        pass

    trainer = Given()
    trainer.strategy = strategy
    with pytest.raises(UserError, match="use one device or strategy ddp") as raised:
        IterativePruningCallback(RATES).setup(trainer, module, "fit")
    assert "\n" not in str(raised.value)


def test_another_network_in_the_next_round_is_refused_in_one_line(module: TinyModule) -> None:
    pruning = IterativePruningCallback(RATES)
    draw(pruning, module, 1)
    other = TinyModule(nn.Sequential())
    other.net.hidden = nn.Linear(6, 3)
    other.prunable_parameters = lambda: {"net.hidden.weight": "fc", "net.hidden.bias": "output"}
    with pytest.raises(UserError, match=r"net\.fc\.weight") as raised:
        draw(pruning, other, 1)
    assert "\n" not in str(raised.value)


def test_lambda_callbacks_see_a_rewound_module_in_setup_if_they_come_later(module: TinyModule) -> None:
    pruning, initial, seen = IterativePruningCallback(RATES), weights(module), []
    draw(pruning, module, 1)
    probe = LambdaCallback(setup=lambda trainer, module, stage: seen.append(weights(module)))
    draw(pruning, module, 1, probe)
    assert same(seen[0], masked(initial, pruning.masks))
