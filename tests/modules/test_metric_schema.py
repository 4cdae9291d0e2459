"""The metrics that the modules declare, against those that they log at a validation."""

from collections.abc import Callable

import pytest
from helpers.language import TinyText, language_model, trainer
from helpers.tiny import Probe, TinyData, TinyNet
from lightning.pytorch import LightningDataModule, LightningModule

from app.modules import Classifier, InferenceClassifier, LanguageModel
from app.nets import LSTM
from datamodules import Logic

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


def logic() -> Logic:
    data = Logic(draws=400, batch_size=32, eval_batch_size=50)
    data.prepare()
    return data


@pytest.mark.parametrize(
    ("make", "data"),
    [
        (lambda: Classifier(TinyNet(), num_classes=3), TinyData),
        (language_model, TinyText),
        (lambda: InferenceClassifier(LSTM(6, [8])), logic),
    ],
    ids=["Classifier", "LanguageModel", "InferenceClassifier"],
)
def test_what_is_declared_is_what_is_logged(
    make: Callable[[], LightningModule], data: Callable[[], LightningDataModule]
) -> None:
    logged: list[set[str]] = []
    probe = Probe(on_validation_end=lambda run, _: logged.append(set(run.callback_metrics)))
    model = make()
    trainer([probe], max_epochs=1).fit(model, data())
    names = [metric.name for metric in model.metric_schema]
    assert logged[-1] - {"step"} == {name for name in names if not name.startswith("supermask_")}  # before the training
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "model",
    [Classifier(TinyNet()), language_model(), InferenceClassifier(LSTM(6, [8]), max_operators=2)],
    ids=["Classifier", "LanguageModel", "InferenceClassifier"],
)
def test_details_come_last(model: LightningModule) -> None:
    schema = model.metric_schema
    assert [metric.detail for metric in schema] == sorted(metric.detail for metric in schema)


def test_labels_and_directions() -> None:
    exact = LanguageModel.metric_schema[-1]
    assert (exact.title, exact.better, exact.axis) == ("Validation perplexity, exact count", "lower", "log")
    labels = {metric.name: metric.title for metric in InferenceClassifier(LSTM(6, [8])).metric_schema}
    assert labels["train_loss"] == "Train loss"
    assert labels["accuracy_01"] == "Accuracy, 1 operator"
    assert labels["majority_07"] == "Majority, 7 operators"
