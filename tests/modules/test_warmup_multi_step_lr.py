"""Warm-up and milestones: against torch's schedulers and plain arithmetic, and resumed to the same bits."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import Probe, TinyData, TinyNet, same, tiny_trainer, weights
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR, MultiStepLR, SequentialLR

from app.common.errors import Interrupted, UserError
from app.modules import Classifier, WarmupMultiStepLR
from callbacks import ResumeCheckpoint

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

LR, STEPS, PER_EPOCH = 0.4, 16, 7


def rates(make: Any, steps: int = STEPS) -> list[float]:
    """The learning rate of every iteration."""
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler, found = make(optimizer), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_without_warmup_it_is_torchs_multi_step() -> None:
    ours = rates(lambda optimizer: WarmupMultiStepLR(optimizer, milestones=[4, "9it"], gamma=0.5))
    assert ours == pytest.approx(rates(lambda optimizer: MultiStepLR(optimizer, [4, 9], gamma=0.5)), rel=1e-15)
    assert len(set(ours)) == 3


def test_with_warmup_it_is_torchs_two_in_sequence() -> None:
    def sequence(optimizer: SGD) -> SequentialLR:
        rising = LambdaLR(optimizer, lambda iteration: iteration / 5)
        return SequentialLR(optimizer, [rising, MultiStepLR(optimizer, [2, 6])], milestones=[5])

    ours = rates(lambda optimizer: WarmupMultiStepLR(optimizer, warmup=5, milestones=[7, 11]))
    assert ours == pytest.approx(rates(sequence), rel=1e-15)
    assert ours[:3] == pytest.approx([0.0, LR / 5, LR * 0.4])


def test_the_first_milestone_may_be_the_end_of_the_warmup() -> None:
    """As for the paper's ResNet-18: the full learning rate is never reached."""
    ours = rates(lambda optimizer: WarmupMultiStepLR(optimizer, "4it", [4, 6], gamma=0.1), 8)
    assert ours == pytest.approx([0, 0.1, 0.2, 0.3, 0.04, 0.04, 0.004, 0.004])


@pytest.mark.parametrize(("batches", "accumulated", "iterations"), [(7, 1, 7), (7, 2, 4), (6.0, 2, 3)])
def test_epochs_are_so_many_iterations(batches: float, accumulated: int, iterations: int) -> None:
    def by_epoch(optimizer: SGD) -> WarmupMultiStepLR:
        scheduler = WarmupMultiStepLR(optimizer, "1ep", ["2ep", "3ep"])
        scheduler.set_epoch(batches, accumulated)
        return scheduler

    by_iteration = lambda optimizer: WarmupMultiStepLR(  # noqa: E731
        optimizer, iterations, [2 * iterations, 3 * iterations]
    )
    assert rates(by_epoch, 25) == rates(by_iteration, 25)


def test_each_group_has_its_own_learning_rate() -> None:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (1.0, 0.5)]
    optimizer = SGD(groups)
    scheduler = WarmupMultiStepLR(optimizer, 2, [3])
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"warmup": "5"}, "warmup is '5'; write iterations as '500it'"),
        ({"warmup": -1}, "warmup is '-1it'"),
        ({"warmup": True}, "warmup is True"),
        ({"milestones": [1.5]}, r"milestones\[0\] is 1.5"),
        ({"milestones": [3, 0]}, "in increasing order, after the start"),
        ({"milestones": [3, 3]}, "in increasing order"),
        ({"milestones": ["3ep", 9]}, "all in iterations or all in epochs"),
        ({"gamma": 0.0}, "gamma is 0.0"),
        ({"gamma": float("nan")}, "gamma is nan"),
    ],
)
def test_impossible_schedules_are_refused(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named) as raised:
        WarmupMultiStepLR(SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR), **arguments)
    assert "\n" not in str(raised.value)


def test_epochs_of_unknown_length_are_refused() -> None:
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    WarmupMultiStepLR(optimizer, 2, [5]).set_epoch(float("inf"))
    scheduler = WarmupMultiStepLR(optimizer, 2, ["2ep"])
    with pytest.raises(UserError, match="has 2ep, and the length of an epoch is not known"):
        scheduler.set_epoch(float("inf"))
    optimizer.step()
    with pytest.raises(UserError, match="has 2ep, and the length of an epoch is not known"):
        scheduler.step()


def classifier(scheduler: Any) -> Classifier:
    torch.manual_seed(0)
    optimizer = lambda parameters: SGD(parameters, lr=LR, momentum=0.9)  # noqa: E731
    return Classifier(TinyNet(), optimizer=optimizer, lr_scheduler=scheduler, num_classes=3)


def fit(scheduler: Any, *callbacks: Any, checkpoint: Path | None = None) -> tuple[Classifier, list[float]]:
    """A training, and the learning rates of its iterations."""
    module, seen = classifier(scheduler), list[float]()
    probe = Probe(on_train_batch_start=lambda trainer, *_: seen.append(trainer.optimizers[0].param_groups[0]["lr"]))
    trainer = tiny_trainer([probe, *callbacks], max_steps=STEPS, max_epochs=-1)
    found = checkpoint if checkpoint is not None and checkpoint.exists() else None
    with suppress(Interrupted):
        trainer.fit(module, TinyData(), ckpt_path=found, weights_only=True if found else None)
    return module, seen


SCHEDULES: dict[str, tuple[Any, list[float]]] = {
    "torch's": (
        lambda optimizer: MultiStepLR(optimizer, [5, 10]),
        [LR] * 5 + [LR * 0.1] * 5 + [LR * 0.01] * 6,
    ),
    "epochs": (
        lambda optimizer: WarmupMultiStepLR(optimizer, 4, ["1ep", "2ep"]),
        [0, LR / 4, LR / 2, LR * 0.75, LR, LR, LR] + [LR * 0.1] * PER_EPOCH + [LR * 0.01] * 2,
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_classifier_steps_it_every_iteration_and_resumes_to_the_same_bits(tmp_path: Path, name: str) -> None:
    schedule, expected = SCHEDULES[name]
    whole, seen = fit(schedule)
    assert seen == pytest.approx(expected)
    path, resumed = tmp_path / "last.ckpt", list[float]()
    for _ in range(STEPS):
        stopping = ResumeCheckpoint(path, every_seconds=0.0, stop=lambda: True)
        module, those = fit(schedule, stopping, checkpoint=path)
        resumed += those
    assert resumed == seen
    assert same(weights(module), weights(whole))
