"""The accuracy on all training images, at the end and only there."""

import math

import pytest
import torch
from helpers.tiny import Probe, TinyData, TinyModule, TinyNet, same, tiny_trainer, weights
from torch import Tensor

from app.common.errors import UserError
from callbacks import FinalTrainAccuracy

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


class Forward(TinyModule):
    def forward(self, rows: Tensor) -> Tensor:
        return self.net(rows)


def test_it_is_the_share_of_right_answers_of_the_trained_network() -> None:
    torch.manual_seed(0)
    module, data, accuracy = Forward(TinyNet(dropout=0.5, norm=True)), TinyData(), FinalTrainAccuracy()
    during: list[float] = []
    probe = Probe(on_train_batch_end=lambda *_: during.append(accuracy.value))
    tiny_trainer([accuracy, probe], max_steps=20).fit(module, data)

    rows, labels = data.sets["train"]  # 26 rows, in batches of 4
    with torch.no_grad():
        right = (module.eval()(rows).argmax(1) == labels).sum().item()
    assert accuracy.value == right / 26
    assert 0.4 < accuracy.value < 1, "the test could not tell a share from a constant"
    assert all(math.isnan(value) for value in during)


def test_measuring_changes_nothing() -> None:
    results = []
    for callbacks in ([], [FinalTrainAccuracy()]):
        torch.manual_seed(0)
        module = Forward(TinyNet(dropout=0.5, norm=True))
        tiny_trainer(callbacks, max_steps=5).fit(module, TinyData())
        results.append((weights(module) | {"rng": torch.get_rng_state()}, module.training))
    assert same(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


def test_what_was_frozen_in_eval_mode_stays_so() -> None:
    module = Forward(TinyNet(norm=True))
    freeze = Probe(on_train_start=lambda _, module: module.net.norm.eval())
    tiny_trainer([FinalTrainAccuracy(), freeze], max_steps=2).fit(module, TinyData())
    assert not module.net.norm.training
    assert module.net.fc.training


def test_a_second_training_measures_again() -> None:
    module, data, accuracy = Forward(), TinyData(), FinalTrainAccuracy()
    tiny_trainer([accuracy], max_steps=1).fit(module, data)
    first = accuracy.value
    module.net.output.weight.data.zero_()
    module.net.output.bias.data = torch.tensor([0.0, 0.0, 1e6])
    tiny_trainer([accuracy], max_steps=1).fit(module, data)
    assert accuracy.value == (data.sets["train"][1] == 2).double().mean().item() != first


def test_data_without_training_images_to_measure_on_is_refused_before_the_training() -> None:
    data, steps = TinyData(), []
    trainer = tiny_trainer([FinalTrainAccuracy(), Probe(on_train_batch_start=lambda *_: steps.append(1))], max_steps=2)
    with pytest.raises(UserError, match="train_eval_dataloader"):
        trainer.fit(Forward(), data.train_dataloader(), data.val_dataloader())
    assert not steps
