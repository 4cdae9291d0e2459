"""What a module measures once, at the end and only there."""

from typing import Any

import pytest
import torch
from helpers.tiny import Probe, TinyData, TinyModule, TinyNet, after_training, same, tiny_trainer

from callbacks import FinalMetrics

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


class Measured(TinyModule):
    """Measures its accuracy on the training rows."""

    def final_metrics(self, datamodule: Any) -> dict[str, float]:
        right = seen = 0
        for rows, labels in datamodule.train_eval_dataloader():
            right += int((self.net(rows).argmax(1) == labels).sum())
            seen += len(labels)
        return {"train_accuracy": right / seen}


def test_it_is_measured_of_the_trained_network_in_evaluation_mode() -> None:
    torch.manual_seed(0)
    module, data, final = Measured(TinyNet(dropout=0.5, norm=True)), TinyData(), FinalMetrics()
    during: list[dict[str, float]] = []
    probe = Probe(on_train_batch_end=lambda *_: during.append(dict(final.values)))
    tiny_trainer([final, probe], max_steps=20).fit(module, data)

    rows, labels = data.sets["train"]  # 26 rows, in batches of 4
    with torch.no_grad():
        right = (module.eval().net(rows).argmax(1) == labels).sum().item()
    assert final.values == {"train_accuracy": right / 26}
    assert 0.4 < right / 26 < 1, "the test could not tell a share from a constant"
    assert not any(during)


def test_measuring_changes_nothing() -> None:
    assert same(after_training(Measured, []), after_training(Measured, [FinalMetrics()]))


def test_what_was_frozen_in_eval_mode_stays_so() -> None:
    module = Measured(TinyNet(norm=True))
    freeze = Probe(on_train_start=lambda _, module: module.net.norm.eval())
    tiny_trainer([FinalMetrics(), freeze], max_steps=2).fit(module, TinyData())
    assert not module.net.norm.training
    assert module.net.fc.training


def test_a_second_training_measures_again() -> None:
    module, data, final = Measured(), TinyData(), FinalMetrics()
    tiny_trainer([final], max_steps=1).fit(module, data)
    first = dict(final.values)
    module.net.output.weight.data.zero_()
    module.net.output.bias.data = torch.tensor([0.0, 0.0, 1e6])
    tiny_trainer([final], max_steps=1).fit(module, data)
    share = (data.sets["train"][1] == 2).double().mean().item()
    assert final.values == {"train_accuracy": share} != first


def test_a_module_without_the_method_measures_nothing() -> None:
    final = FinalMetrics()
    tiny_trainer([final], max_steps=1).fit(TinyModule(), TinyData())
    assert final.values == {}
