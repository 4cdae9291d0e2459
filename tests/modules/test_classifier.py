"""What a Classifier logs, against plain torch over whole sets in float64."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny import Probe, TinyData, TinyNet, same, tiny_trainer, weights, with_validation
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR

from app.common.prunable import prunable_parameters
from app.modules import Classifier
from app.nets import LeNet
from callbacks import MetricsRecorder
from datamodules import TensorLoader

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

NAMES = ["train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy"]


class Rows(list):
    def cut(self, rows: int) -> None:
        del self[rows:]

    def sync(self) -> None:
        pass


def sgd(parameters: Any) -> SGD:
    return SGD(parameters, lr=0.3)


def classifier(**arguments: Any) -> Classifier:
    torch.manual_seed(0)
    return Classifier(TinyNet(), **{"optimizer": sgd, "num_classes": 3} | arguments).double()


def data() -> TinyData:
    return TinyData(dtype=torch.float64)


def measured(net: nn.Module, rows: Tensor, labels: Tensor) -> tuple[float, float]:
    with torch.no_grad():
        logits = net(rows)
        return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).double().mean().item()


def by_hand(steps: int, every: int) -> list[dict[str, float]]:
    """The same training in plain torch; returns the expected row of every validation."""
    net, sets, loader = classifier().net, data().sets, data().train_dataloader()
    optimizer, rows, sums = sgd(net.parameters()), [], torch.zeros(3, dtype=torch.float64)
    batches = [batch for _ in range(3) for batch in loader]

    def row(iteration: int) -> dict[str, float]:
        loss, right, images = sums.tolist()
        train = {"train_loss": loss / images, "train_accuracy": right / images} if images else {}
        (val_loss, val_accuracy), (test_loss, test_accuracy) = (measured(net, *sets[name]) for name in ("val", "test"))
        return {
            "iteration": iteration, "val_loss": val_loss, "val_accuracy": val_accuracy,
            "test_loss": test_loss, "test_accuracy": test_accuracy,
        } | train  # fmt: skip

    rows.append(row(0))
    for step, (images, labels) in enumerate(batches[:steps], 1):
        logits = net(images)
        loss = F.cross_entropy(logits, labels)
        right = (logits.argmax(1) == labels).sum().item()
        sums += torch.tensor([loss.item() * len(labels), right, len(labels)], dtype=torch.float64)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % every == 0:
            rows.append(row(step))
            sums.zero_()
    return rows


# An epoch has 7 batches, the last of 2 rows: it lies within the third and the fifth interval.
STEPS, EVERY = 17, 3


def test_rows_are_what_plain_torch_measures() -> None:
    rows, expected = Rows(), by_hand(STEPS, EVERY)
    trainer = tiny_trainer([MetricsRecorder(rows, NAMES)], **with_validation(EVERY, max_steps=STEPS))
    trainer.fit(classifier(), data())
    assert [row["iteration"] for row in rows] == [row["iteration"] for row in expected] == [0, 3, 6, 9, 12, 15]
    for row, right in zip(rows, expected, strict=True):
        for name in NAMES:
            # Losses in float64; torchmetrics divides counts in float32.
            tolerance = 1e-12 if name.endswith("loss") or name == "train_accuracy" else 1e-7
            if name in right:
                assert row[name] == pytest.approx(right[name], rel=tolerance), (row["iteration"], name)
            else:
                assert row[name] != row[name], "there is no train value at iteration 0"
    assert len({row["train_loss"] for row in rows[1:]}) == 5


def test_float32_losses_do_not_depend_on_how_sets_are_cut() -> None:
    losses = []
    for batch in (1, 7, 1000):
        module = Classifier(TinyNet(), num_classes=3)
        module.net.load_state_dict(weights(classifier().net))
        sets = TinyData().sets
        loader = TensorLoader(sets["val"], batch)
        (metrics,) = tiny_trainer(limit_val_batches=1.0).validate(module, loader, verbose=False)
        losses.append(metrics["val_loss"])
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


@pytest.mark.filterwarnings("ignore:.*num_workers.*")
def test_testing_alone_and_training_again() -> None:
    module, sets = classifier(), data()
    rows, expected = Rows(), by_hand(STEPS, EVERY)
    trainer = tiny_trainer([MetricsRecorder(rows, NAMES)], **with_validation(EVERY, max_steps=STEPS))
    trainer.fit(module, sets)
    first = list(rows)
    for _ in range(2):
        loss, accuracy = measured(module.net, *sets.sets["test"])
        (metrics,) = trainer.test(module, sets, verbose=False)
        assert metrics == {"test_loss": pytest.approx(loss, rel=1e-12), "test_accuracy": pytest.approx(accuracy)}
    (metrics, *_) = trainer.validate(module, sets, verbose=False)
    assert metrics["val_loss"] == pytest.approx(measured(module.net, *sets.sets["val"])[0], rel=1e-12)

    module.net.load_state_dict(weights(classifier().net))
    trainer = tiny_trainer([MetricsRecorder(rows, NAMES)], **with_validation(EVERY, max_steps=STEPS))
    trainer.fit(module, sets)
    assert repr(rows) == repr(first)
    assert len(rows) == len(expected)


def test_sums_of_a_stretch_left_unfinished_do_not_reach_the_next_training() -> None:
    module = classifier()
    tiny_trainer(max_steps=5).fit(module, data())
    module.net.load_state_dict(weights(classifier().net))
    rows, expected = Rows(), by_hand(3, 3)
    tiny_trainer([MetricsRecorder(rows, NAMES)], **with_validation(3, max_steps=3)).fit(module, data())
    assert rows[1]["train_loss"] == pytest.approx(expected[1]["train_loss"], rel=1e-12)


def test_a_checkpoint_between_validations_keeps_the_sums(tmp_path: Path) -> None:
    def save(trainer: Trainer, module: Classifier) -> None:
        if trainer.global_step == 5:
            trainer.save_checkpoint(tmp_path / "5.ckpt")

    whole, rows, arguments = Rows(), Rows(), with_validation(EVERY, max_steps=STEPS)
    tiny_trainer([MetricsRecorder(whole, NAMES), Probe(on_train_batch_end=save)], **arguments).fit(classifier(), data())
    begun = torch.load(tmp_path / "5.ckpt", weights_only=True)["train_means"]
    assert begun["counts"][1] == 8  # two batches since iteration 3
    tiny_trainer([MetricsRecorder(rows, NAMES)], **arguments).fit(classifier(), data(), ckpt_path=tmp_path / "5.ckpt")
    assert repr(rows) == repr(whole[2:])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_schedule_steps_once_per_iteration(accumulate: int) -> None:
    rates: dict[int, float] = {}

    def note(trainer: Trainer, module: Classifier) -> None:
        rates.setdefault(trainer.global_step, trainer.optimizers[0].param_groups[0]["lr"])

    module = classifier(lr_scheduler=lambda optimizer: LambdaLR(optimizer, lambda step: 0.5**step))
    probe = Probe(on_train_start=note, on_train_batch_end=note)
    tiny_trainer([probe], max_steps=9, accumulate_grad_batches=accumulate).fit(module, data())
    assert rates == {step: 0.3 * 0.5**step for step in range(10)}


def test_every_training_gets_an_optimiser_of_its_own() -> None:
    module, made = classifier(), []
    for _ in range(2):
        tiny_trainer([Probe(on_fit_start=lambda t, _: made.append(t.optimizers[0]))], max_steps=1).fit(module, data())
    assert made[0] is not made[1]


def test_it_declares_what_its_network_declares() -> None:
    assert Classifier(LeNet()).prunable_parameters() == {
        "net.fc1.weight": "fc", "net.fc2.weight": "fc", "net.output.weight": "output",
    }  # fmt: skip
    assert Classifier(nn.Linear(2, 2)).prunable_parameters() == {}
    assert prunable_parameters(Classifier(nn.Linear(2, 2))) == {"net.weight": "output"}


def test_reset_draws_afresh_from_the_global_generator() -> None:
    module, state = classifier(), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        module.reset_parameters()
        state.append(weights(module))
    assert same(state[0], state[1])
    assert not same(state[1], state[2])


def test_its_state_is_that_of_the_network_alone() -> None:
    assert list(classifier().state_dict()) == [f"net.{name}" for name in TinyNet().state_dict()]


def test_it_loads_from_a_checkpoint_without_a_trainer(tmp_path: Path) -> None:
    module, trainer = classifier(), tiny_trainer(max_steps=3)
    trainer.fit(module, data())
    trainer.save_checkpoint(tmp_path / "3.ckpt")
    loaded = Classifier.load_from_checkpoint(tmp_path / "3.ckpt", net=TinyNet().double(), num_classes=3)
    assert same(weights(loaded), weights(module))


def test_it_tests_a_checkpoint(tmp_path: Path) -> None:
    module, trainer = classifier(), tiny_trainer(max_steps=3)
    trainer.fit(module, data())
    trainer.save_checkpoint(tmp_path / "3.ckpt")
    loss, _ = measured(module.net, *data().sets["test"])
    (metrics,) = tiny_trainer().test(classifier(), data(), ckpt_path=tmp_path / "3.ckpt", verbose=False)
    assert metrics["test_loss"] == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("module", [TinyNet(), nn.Sequential(nn.Linear(6, 3))])
def test_weights_of_a_plain_network_can_be_trained_as_they_are(module: nn.Module) -> None:
    wrapped = Classifier(module, sgd, num_classes=3)
    before = weights(module)
    tiny_trainer(max_steps=2).fit(wrapped, TinyData())
    assert wrapped.net is module
    assert not same(weights(module), before)


def test_many_images_go_through_in_parts_where_no_gradient_is_wanted() -> None:
    module, sizes = classifier(), []
    images = torch.rand(601, *TinyData().sets["val"][0].shape[1:], dtype=torch.float64)
    module.net.register_forward_hook(lambda _, arguments, __: sizes.append(len(arguments[0])))
    whole = module(images)
    with torch.no_grad():
        in_parts = module(images)
    assert sizes == [601, 250, 250, 101]
    assert torch.allclose(whole, in_parts, rtol=0, atol=1e-12)
