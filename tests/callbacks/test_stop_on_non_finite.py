"""A diverging training ends at once and says where."""

from typing import Any

import pytest
import torch
from helpers.tiny import Probe, TinyData, TinyModule, tiny_trainer, with_validation
from torch import Tensor

from app.common.errors import RunError
from callbacks import MetricsRecorder, StopOnNonFinite

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


class Diverging(TinyModule):
    """Its loss takes a value of our choice at one iteration."""

    def __init__(self, value: float, at: int) -> None:
        super().__init__()
        self.value, self.at = value, at

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        return loss * 0 + self.value if self.global_step + 1 == self.at else loss


class Sink:
    def __init__(self) -> None:
        self.iterations: list[int] = []

    def cut(self, rows: int) -> None:
        pass

    def append(self, row: dict[str, float]) -> None:
        self.iterations.append(int(row["iteration"]))

    def sync(self) -> None:
        pass


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("at", [1, 5, 7])
def test_it_names_the_iteration_and_keeps_the_rows_before(value: float, at: int) -> None:
    sink, begun = Sink(), []
    probe = Probe(on_train_batch_start=lambda trainer, _: begun.append(trainer.global_step + 1))
    callbacks = [StopOnNonFinite(), MetricsRecorder(sink, ["val_loss"]), probe]
    with pytest.raises(RunError, match=rf"loss is {value} at iteration {at}: .*lower learning rate") as raised:
        tiny_trainer(callbacks, **with_validation(3, max_steps=10)).fit(Diverging(value, at), TinyData())
    assert "\n" not in str(raised.value)
    assert begun == list(range(1, at + 1))
    assert sink.iterations == list(range(0, at, 3))


def test_a_large_loss_is_still_a_loss() -> None:
    trainer = tiny_trainer([StopOnNonFinite()], max_steps=6)
    trainer.fit(Diverging(3e38, 4), TinyData())
    assert trainer.global_step == 6


def test_a_real_divergence_is_seen() -> None:
    module = TinyModule(configure=lambda module: torch.optim.SGD(module.parameters(), lr=1e30))
    with pytest.raises(RunError, match=r"at iteration [23]:"):
        tiny_trainer([StopOnNonFinite()], max_steps=20).fit(module, TinyData())


class Validating(TinyModule):
    """Its validation loss is not finite from an iteration on."""

    def __init__(self, name: str, since: int) -> None:
        super().__init__()
        self.name, self.since = name, since

    def on_validation_epoch_end(self) -> None:
        self.log(self.name, torch.tensor(torch.nan if self.global_step >= self.since else 1.0))

    def validation_step(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize("name", ["val_loss", "train_loss"])
def test_what_a_validation_logs_is_looked_at_too(name: str) -> None:
    trainer = tiny_trainer([StopOnNonFinite()], **with_validation(3, max_steps=10))
    with pytest.raises(RunError, match=f"{name} is nan by iteration 6"):
        trainer.fit(Validating(name, since=5), TinyData())


def test_validating_alone_is_no_training() -> None:
    trainer = tiny_trainer([StopOnNonFinite()], **with_validation(3))
    (metrics, *_) = trainer.validate(Validating("val_loss", since=0), TinyData(), verbose=False)
    assert metrics["val_loss"] != metrics["val_loss"]


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`")
def test_a_batch_that_the_module_skips_has_no_loss() -> None:
    class Skipping(TinyModule):
        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor | None:
            return None if batch_idx == 2 else super().training_step(batch, batch_idx)

    seen: list[int] = []
    probe = Probe(on_train_batch_end=lambda *_: seen.append(1))
    tiny_trainer([StopOnNonFinite(), probe], max_epochs=1).fit(Skipping(), TinyData())
    assert len(seen) == 7


def test_a_module_that_steps_by_hand_is_let_be() -> None:
    class ByHand(TinyModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False

        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
            optimizer = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(super().training_step(batch, batch_idx))
            optimizer.step()

    trainer = tiny_trainer([StopOnNonFinite()], max_steps=4)
    trainer.fit(ByHand(), TinyData())
    assert trainer.global_step == 4


def test_nan_before_any_training_is_no_divergence() -> None:
    with pytest.raises(RunError, match=r"val_loss is nan before any training; check the validation data"):
        tiny_trainer([StopOnNonFinite()], **with_validation(3, max_steps=4)).fit(Validating("val_loss", 0), TinyData())


def test_where_the_host_does_not_wait_the_last_loss_is_looked_at() -> None:
    """On a GPU: here by a loss that says that it is there."""

    class Elsewhere:
        device = torch.device("cuda")

        def item(self) -> float:
            return float("nan")

    callback, trainer = StopOnNonFinite(), tiny_trainer()
    callback.on_train_batch_end(trainer, TinyModule(), {"loss": Elsewhere()}, None, 0)
    with pytest.raises(RunError, match="loss is nan by iteration 0: the training diverged"):
        callback.on_train_end(trainer, TinyModule())
    callback.on_train_end(trainer, TinyModule())  # looked at once
