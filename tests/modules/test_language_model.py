"""Training of a language model, against plain torch."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.language import (
    DROPOUTS,
    LR,
    NET_DROPOUTS,
    NETS,
    PlainModel,
    Rows,
    TinyText,
    language_model,
    lstm,
    plain_training,
    train_windows,
    trainer,
)
from helpers.metrics import LANGUAGE_NAMES
from helpers.tiny import Probe, same, weights
from lightning.pytorch import Callback
from torch import Tensor

from app.common.errors import UserError
from app.modules import LanguageModel
from callbacks import MetricsRecorder
from datamodules import Window
from datamodules.windows import columns

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

by_net = pytest.mark.parametrize("net", NETS.values(), ids=NETS)


def gradients(loss: Tensor, model: LanguageModel) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(model.parameters())))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("ar_output", ["dropped", "undropped"])
@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 1.0), (0.0, 1.0), (3.0, 0.0), (0.0, 0.0)])
def test_the_loss_of_a_window(alpha: float, beta: float, ar_output: str, tied: bool) -> None:
    model = language_model(lstm(**NET_DROPOUTS), alpha=alpha, beta=beta, ar_output=ar_output, tied=tied)
    twin = PlainModel(copy.deepcopy(model), training=True)
    state: Any = None
    for number, window in enumerate(train_windows(1)[0][:3]):
        torch.manual_seed(number)
        loss = model.training_step(window, number)
        torch.manual_seed(number)
        _, right, state = twin.losses(window, state)
        torch.testing.assert_close(loss, right, rtol=1e-12, atol=0)
        found = gradients(loss, model)
        torch.testing.assert_close(found, gradients(right, twin.model), rtol=0, atol=1e-12)
    assert len(found) == 10 + (0 if tied else 1)
    assert all(gradient.any() for gradient in found)


def test_ar_of_the_undropped_output_is_smaller_by_the_share_that_is_kept() -> None:
    """Kept values are divided by the share that is kept, 1 - p, so that the mean square is 1 / (1 - p) as large."""
    window, penalties = train_windows(1)[0][0], dict.fromkeys(("dropped", "undropped"), 0.0)
    for ar_output in penalties:
        for seed in range(400):
            losses = []
            for alpha in (0.0, 1.0):
                model = language_model(lstm(), alpha=alpha, beta=0.0, ar_output=ar_output, dropout_output=0.45)
                torch.manual_seed(seed)
                losses.append(model.training_step(window, 0).item())
            penalties[ar_output] += losses[1] - losses[0]
    assert penalties["dropped"] / penalties["undropped"] == pytest.approx(1 / 0.55, rel=0.05)


def test_an_unknown_output_is_refused() -> None:
    with pytest.raises(UserError, match="ar_output is 'both'; expected dropped or undropped"):
        language_model(ar_output="both")


def test_a_window_of_one_word_has_no_change_from_step_to_step() -> None:
    one = torch.zeros(1, 2, dtype=torch.long)
    losses = []
    for beta in (0.0, 1.0):
        torch.manual_seed(1)
        losses.append(language_model(beta=beta).training_step(Window(one, one, 5, 8), 0))
    assert losses[0].isfinite()
    assert losses[0] == losses[1]


@pytest.mark.parametrize("accumulated", [1, 3])
@pytest.mark.parametrize("every", [None, 2], ids=["no validation", "validation within epochs"])
def test_training_is_that_of_a_plain_loop(every: int | None, accumulated: int) -> None:
    """Also where the windows of a step have different lengths, and the last step of an epoch has fewer."""
    epochs = train_windows(2)
    assert len({window.drawn for windows in epochs for window in windows}) > 4
    assert {len(window.inputs) == window.drawn for windows in epochs for window in windows} == {True, False}
    right, model = (language_model(lstm(**NET_DROPOUTS)) for _ in range(2))
    start = weights(model)
    torch.manual_seed(11)
    plain_training(right, epochs, accumulated=accumulated)

    torch.manual_seed(11)
    validating = {"limit_val_batches": 0} if every is None else {"val_check_interval": every}
    trainer(max_epochs=2, accumulate_grad_batches=accumulated, **validating).fit(model, TinyText())
    for name, value in weights(model).items():
        torch.testing.assert_close(value, weights(right)[name], rtol=0, atol=1e-12)
        assert not value.equal(start[name])


class Asker(Callback):
    """A callback that computes distances and reads other texts during a training."""

    def on_validation_epoch_end(self, trainer: Any, pl_module: LanguageModel) -> None:
        pl_module.distances([["the", "cat"], ["who"]])
        with torch.no_grad():
            pl_module(torch.zeros(3, 1, dtype=torch.long))


@by_net
def test_validation_does_not_disturb_training(net: Any) -> None:
    ends = []
    for callbacks, options in (([], {"limit_val_batches": 0}), ([Asker()], {"val_check_interval": 1})):
        model = language_model(net(**NET_DROPOUTS))
        torch.manual_seed(3)
        trainer(callbacks, max_epochs=2, **options).fit(model, TinyText())
        ends.append(weights(model))
    assert same(*ends)


def test_the_rate_is_scaled_for_one_step_and_comes_back_to_the_bit() -> None:
    lr, during, after = 0.1 + 1e-17 + 1 / 3, [], []
    model = language_model(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=lr))
    probe = Probe(
        on_before_optimizer_step=lambda t, m: during.append(t.optimizers[0].param_groups[0]["lr"]),
        on_train_batch_end=lambda t, m: after.append(t.optimizers[0].param_groups[0]["lr"]),
    )
    trainer([probe], max_epochs=2).fit(model, TinyText())
    windows = [window for windows in train_windows(2) for window in windows]
    assert during == pytest.approx([lr * window.drawn / 8 for window in windows], rel=1e-15)
    assert after == [lr] * len(windows)


def test_a_rate_that_is_a_tensor() -> None:
    ends = []
    for rate in (torch.tensor(LR, dtype=torch.float64), LR):
        model = language_model(optimizer=lambda parameters, rate=rate: torch.optim.SGD(parameters, lr=rate))
        torch.manual_seed(1)
        run = trainer(max_epochs=1)
        run.fit(model, TinyText())
        ends.append(weights(model))
        assert float(run.optimizers[0].param_groups[0]["lr"]) == LR
    for name in ends[0]:
        torch.testing.assert_close(ends[0][name], ends[1][name], rtol=0, atol=1e-12)


def test_the_rate_comes_back_after_a_step_that_failed() -> None:
    def fail(*_: Any) -> None:
        raise ArithmeticError

    model, run = language_model(), trainer([Probe(on_before_optimizer_step=fail)], max_epochs=1)
    rates: list[float] = []
    run.callbacks.append(Probe(on_train_start=lambda t, m: rates.append(t.optimizers[0].param_groups[0]["lr"])))
    optimizers: list[Any] = []
    run.callbacks.append(Probe(on_train_start=lambda t, m: optimizers.extend(t.optimizers)))
    with pytest.raises(ArithmeticError):
        run.fit(model, TinyText())
    assert [optimizers[0].param_groups[0]["lr"]] == rates == [LR]


@pytest.mark.parametrize("batch_size", [2, 4])
def test_columns_are_read_side_by_side(batch_size: int) -> None:
    """The state of a column reaches that column's next window and no other."""
    model = language_model(**dict.fromkeys(DROPOUTS, 0.0), net=lstm()).eval()
    data = TinyText(batch_size=batch_size)
    data.prepare()
    end = 0
    text = columns(data.corpus.streams["train"], batch_size)
    for number, window in enumerate(data.train_dataloader()):
        model.on_train_batch_start(window, number)
        model.training_step(window, number)
        end, state = end + len(window.inputs), model._state
        _, (h, c) = model(text[:end])
        torch.testing.assert_close((state[0], state[1]), (h, c), rtol=0, atol=1e-14)
        assert not any(part.requires_grad for parts in state for part in parts)


def test_training_again_begins_anew() -> None:
    """A module that was trained, stopped in the middle of an epoch, or tested before, trains like a new one."""
    model, ends = language_model(), []
    start = copy.deepcopy(model.state_dict())
    for arguments in ({"max_steps": 3}, {"max_epochs": 1}, {"max_epochs": 1}):
        model.load_state_dict(start)
        torch.manual_seed(2)
        rows = Rows()
        run = trainer([MetricsRecorder(rows, LANGUAGE_NAMES)], **arguments)
        run.fit(model, TinyText())
        ends.append((weights(model), rows))
        trainer().test(model, TinyText(), verbose=False)
    fresh, rows = language_model(), Rows()
    torch.manual_seed(2)
    trainer([MetricsRecorder(rows, LANGUAGE_NAMES)], max_epochs=1).fit(fresh, TinyText())
    assert same(ends[1][0], ends[2][0])
    assert same(ends[2][0], weights(fresh))
    assert ends[1][1] == ends[2][1] == rows


def test_a_training_that_broke_off_in_a_validation_leaves_no_state_behind(tmp_path: Path) -> None:
    def fail(run: Any, module: Any) -> None:
        raise ArithmeticError

    model = language_model()
    with pytest.raises(ArithmeticError):
        trainer([Probe(on_validation_batch_end=fail)], max_epochs=1, val_check_interval=2).fit(model, TinyText())
    checkpoints = []
    for module in (model, language_model()):
        module.train().load_state_dict(language_model().state_dict())
        torch.manual_seed(2)
        run = trainer(max_steps=1, limit_val_batches=0)
        run.fit(module, TinyText())
        run.save_checkpoint(tmp_path / "1.ckpt")
        checkpoints.append(torch.load(tmp_path / "1.ckpt", weights_only=True)["state"])
    (h, c), (right_h, right_c) = checkpoints
    assert all(x.equal(y) for x, y in zip([*h, *c], [*right_h, *right_c], strict=True))
