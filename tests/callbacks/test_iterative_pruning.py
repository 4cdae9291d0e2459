"""What a ticket is and how it is drawn, with real Trainers, against counts by hand."""

import pytest
import torch
from helpers.pruning import STEPS, SURVIVORS, StoppedError, counts, draw, masked, starts_of
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
from lightning.pytorch import Trainer
from torch import Tensor

from app.common.errors import RunError, UserError
from callbacks import IterativePruningCallback

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


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
