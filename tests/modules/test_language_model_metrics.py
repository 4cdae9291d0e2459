"""The metrics of a language model, against plain torch over whole texts."""

import copy
import math
from typing import Any

import pytest
import torch
from helpers.language import (
    NET_DROPOUTS,
    PlainModel,
    Rows,
    TinyText,
    TinyTrees,
    language_model,
    lstm,
    plain_training,
    train_windows,
    trainer,
)
from helpers.metrics import LANGUAGE_NAMES
from helpers.tiny import Probe

from app.modules import LanguageModel
from callbacks import MetricsRecorder, ParseLogging
from datamodules import Window

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


def by_hand(model: LanguageModel, part: str, batch_size: int) -> dict[str, float]:
    """Losses of a whole text, each column read in one piece; the text is cut into columns like the authors'."""
    data = TinyText()
    data.prepare()
    text = data.corpus.streams[part]
    rows = len(text) // batch_size
    twin, nats = PlainModel(copy.deepcopy(model), training=False), 0.0
    for column in text[: rows * batch_size].view(batch_size, rows):
        window = Window(column[:-1].view(-1, 1), column[1:].view(-1, 1), 8, 8)
        with torch.no_grad():
            loss, _, _ = twin.losses(window, None)
        nats += loss.item() * (rows - 1)
    authors, exact = nats / (rows * batch_size), nats / ((rows - 1) * batch_size)
    losses = {
        "loss": authors,
        "perplexity": math.exp(authors),
        "loss_exact": exact,
        "perplexity_exact": math.exp(exact),
    }
    return {f"{part}_{name}": value for name, value in losses.items()}


@pytest.mark.parametrize("batch_size", [1, 3, 10])
def test_losses_and_perplexities_by_both_conventions(batch_size: int) -> None:
    model = language_model(lstm(**NET_DROPOUTS))
    data = TinyText(val_batch_size=batch_size, test_batch_size=batch_size, bptt=2)
    for part, evaluate in (("val", trainer().validate), ("test", trainer().test)):
        (metrics,) = evaluate(model, data, verbose=False)
        assert metrics == pytest.approx(by_hand(model, part, batch_size), rel=1e-12)


def test_what_a_training_logs() -> None:
    """At every validation: its losses, and the mean training loss of all words since the last validation."""
    rows, right, model = Rows(), [], language_model(lstm(**NET_DROPOUTS))

    def measure(run: Any, module: LanguageModel) -> None:
        right.append(by_hand(module, "val", 3) | {"iteration": run.global_step})

    recorder = MetricsRecorder(rows, LANGUAGE_NAMES)
    torch.manual_seed(5)
    run = trainer([Probe(on_validation_start=measure), recorder], max_epochs=2, val_check_interval=2)
    run.fit(model, TinyText())

    learner = language_model(lstm(**NET_DROPOUTS))
    torch.manual_seed(5)
    taken = plain_training(learner, train_windows(2))
    assert [row["iteration"] for row in rows] == [row["iteration"] for row in right]
    assert rows[0]["iteration"] == 2
    before = 0
    for row, expected in zip(rows, right, strict=True):
        since = taken[before : row["iteration"]]
        sums = [sum(loss * tokens for loss, tokens in since), sum(tokens for _, tokens in since)]
        assert row == pytest.approx(expected | {"train_loss": sums[0] / sums[1]}, rel=1e-11)
        before = row["iteration"]
    assert len({tokens for _, tokens in taken}) > 3


def test_the_sanity_check_has_no_training_mean() -> None:
    rows = Rows()
    recorder = MetricsRecorder(rows, LANGUAGE_NAMES)
    trainer([recorder], max_epochs=1, num_sanity_val_steps=-1).fit(language_model(), TinyText())
    assert math.isnan(rows[0]["train_loss"])
    assert rows[0]["iteration"] == 0
    assert not any(math.isnan(value) for value in rows[1].values())


def test_the_optimum_is_logged_where_it_is_known() -> None:
    model = language_model()
    (validated,), (tested,) = (
        trainer().validate(model, TinyTrees(), verbose=False), trainer().test(model, TinyTrees(), verbose=False),
    )  # fmt: skip
    assert validated["val_perplexity_optimal"] == pytest.approx(math.exp(1.5))
    assert tested["test_perplexity_optimal"] == pytest.approx(math.exp(1.25))
    (metrics,) = trainer().validate(model, TinyText(), verbose=False)
    assert not any("optimal" in name for name in metrics)


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed", "bf16-true"])
def test_other_precisions_come_near(precision: str) -> None:
    found = []
    for choice in ("32-true", precision):
        model = language_model().float()
        torch.manual_seed(4)
        run = trainer([ParseLogging()], max_epochs=1, precision=choice)
        run.fit(model, TinyTrees())
        found.append({name: float(run.callback_metrics[name]) for name in LANGUAGE_NAMES})
    assert found[1] == pytest.approx(found[0], rel=1e-5 if "64" in precision else 0.02)
