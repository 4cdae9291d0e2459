"""How long iterations and validations take, by a clock of the test's own."""

import pytest
from helpers.tiny import Probe, TinyData, TinyModule, tiny_trainer, with_validation

from callbacks import Pace

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


class Clock:
    """Moves on by itself where a training does something."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def probe(self, *, first: float, iteration: float, validation: float) -> Probe:
        """What lets each of them take so many seconds."""

        def on_batch(trainer: object, module: TinyModule) -> None:
            self.seconds += iteration if module.global_step > 0 else first

        def on_validation(trainer: object, module: TinyModule) -> None:
            self.seconds += validation

        return Probe(on_train_batch_start=on_batch, on_validation_epoch_start=on_validation)


@pytest.mark.parametrize("every", [2, 100])
def test_iterations_and_validations_are_timed_apart_until_enough_is_known(every: int) -> None:
    clock = Clock()
    pace = Pace(5.0, clock)
    probe = clock.probe(first=50.0, iteration=2.0, validation=7.0)
    trainer = tiny_trainer([probe, pace], max_steps=40, **with_validation(every))
    trainer.fit(TinyModule(), TinyData())
    assert (pace.iteration, pace.validation) == (2.0, 7.0)
    assert trainer.global_step == 1 + 3  # 6 seconds after the first


def test_the_only_iteration_counts() -> None:
    clock = Clock()
    pace = Pace(5.0, clock)
    tiny_trainer([clock.probe(first=50.0, iteration=2.0, validation=7.0), pace], max_steps=1).fit(
        TinyModule(), TinyData()
    )
    assert (pace.iteration, pace.validation) == (50.0, 0.0)


def test_accumulated_batches_are_one_iteration() -> None:
    clock = Clock()
    pace = Pace(100.0, clock)
    probe = Probe(on_train_batch_start=lambda *_: setattr(clock, "seconds", clock.seconds + 3))
    tiny_trainer([probe, pace], max_steps=3, accumulate_grad_batches=2).fit(TinyModule(), TinyData())
    assert pace.iteration == 6.0
