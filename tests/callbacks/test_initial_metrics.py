"""What a module measures once, before its training and only there."""

from typing import Any

import pytest
import torch
from helpers.tiny import TinyData, TinyModule, TinyNet, after_training, same, tiny_trainer

from app.common.errors import UserError
from callbacks import InitialMetrics

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


class Measured(TinyModule):
    """Measures its accuracy on the validation rows, and draws random numbers meanwhile."""

    def initial_metrics(self, datamodule: Any) -> dict[str, float]:
        torch.rand(3)
        rows, labels = datamodule.sets["val"]
        return {"supermask_accuracy": float((self.net(rows).argmax(1) == labels).double().mean())}


def test_it_is_measured_before_the_training_with_the_running_statistics_of_then() -> None:
    torch.manual_seed(0)
    module, data, initial = Measured(TinyNet(dropout=0.5, norm=True)), TinyData(), InitialMetrics()
    module.net.norm.running_mean.fill_(0.3)
    rows, labels = data.sets["val"]
    with torch.no_grad():
        share = float((module.net.eval()(rows).argmax(1) == labels).double().mean())
    module.train()
    tiny_trainer([initial], max_steps=20).fit(module, data)
    assert initial.values == {"supermask_accuracy": share}
    with torch.no_grad():
        trained = float((module.net.eval()(rows).argmax(1) == labels).double().mean())
    assert 0 < share < 1
    assert share != trained, "the test could not tell before from after"


def test_measuring_changes_nothing() -> None:
    assert same(after_training(Measured, []), after_training(Measured, [InitialMetrics()]))


def test_a_training_that_goes_on_has_the_values_of_its_beginning() -> None:
    module, data, first = Measured(), TinyData(), InitialMetrics()
    tiny_trainer([first], max_steps=1).fit(module, data)
    resumed = InitialMetrics()
    resumed.load_state_dict(first.state_dict())
    module.net.output.bias.data = torch.tensor([0.0, 0.0, 1e6])
    tiny_trainer([resumed], max_steps=1).fit(module, data)
    assert resumed.values == first.values != {}


def test_a_later_iteration_is_not_taken_for_the_beginning() -> None:
    initial = InitialMetrics(begins_at=3)
    tiny_trainer([initial], max_steps=1).fit(Measured(), TinyData())
    assert initial.values == {}


def test_names_of_other_metrics_are_refused() -> None:
    class Wrong(TinyModule):
        def initial_metrics(self, datamodule: Any) -> dict[str, float]:
            return {"accuracy": 0.5}

    with pytest.raises(UserError, match=r"Wrong\.initial_metrics\(\) has accuracy; its names begin with supermask_"):
        tiny_trainer([InitialMetrics()], max_steps=1).fit(Wrong(), TinyData())
