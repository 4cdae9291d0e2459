"""The metric schema: inferred, written, read again."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.common.metrics import (
    Metric,
    Schema,
    accuracy,
    headline_metrics,
    infer_metric,
    loss,
    percentage,
    perplexity,
)

metrics = st.builds(
    Metric,
    name=st.text("abc_/", min_size=1, max_size=6),
    label=st.text(max_size=4),
    better=st.sampled_from(["lower", "higher", "neither"]),
    unit=st.sampled_from(["", "%", "nats"]),
    scale=st.sampled_from([1.0, 100.0, 0.001]),
    decimals=st.integers(0, 6),
    least=st.sampled_from([-math.inf, 0.0, 1.0]),
    greatest=st.sampled_from([math.inf, 1.0, 100.0]),
    axis=st.sampled_from(["linear", "log", "error"]),
    detail=st.booleans(),
)


@pytest.mark.parametrize(
    ("name", "better", "axis", "scale", "greatest"),
    [
        ("val_accuracy", "higher", "error", 100.0, 1.0),
        ("acc", "higher", "error", 100.0, 1.0),
        ("test/acc", "higher", "error", 100.0, 1.0),
        ("val_acc_epoch", "higher", "error", 100.0, 1.0),
        ("val_perplexity", "lower", "log", 1.0, math.inf),
        ("ppl", "lower", "log", 1.0, math.inf),
        ("uf1_layer_2", "higher", "linear", 1.0, 100.0),
        ("uf1_layer_2_between_words", "higher", "linear", 1.0, 100.0),
        ("val_loss", "lower", "linear", 1.0, math.inf),
        ("Val-MSE", "lower", "linear", 1.0, math.inf),
        ("valid.bpc", "lower", "linear", 1.0, math.inf),
        ("macro f1", "higher", "linear", 1.0, math.inf),
        ("val_auroc", "higher", "linear", 1.0, math.inf),
        ("gate", "neither", "linear", 1.0, math.inf),
        ("blossom", "neither", "linear", 1.0, math.inf),
        ("macchiato", "neither", "linear", 1.0, math.inf),
        ("uf1_layer_two", "higher", "linear", 1.0, math.inf),
    ],
)
def test_a_metric_by_its_name(name: str, better: str, axis: str, scale: float, greatest: float) -> None:
    metric = infer_metric(name)
    assert (metric.name, metric.better, metric.axis) == (name, better, axis)
    assert (metric.scale, metric.greatest) == (scale, greatest)
    assert not metric.detail


@given(st.lists(metrics, max_size=5, unique_by=lambda metric: metric.name))
def test_a_schema_comes_back_through_a_file(declared: list[Metric]) -> None:
    plain = json.loads(json.dumps(Schema(declared).plain()))
    back = Schema.from_plain(plain, "here")
    assert list(back.values()) == declared
    assert list(back) == [metric.name for metric in declared]


def test_what_is_default_is_not_written() -> None:
    assert Schema([Metric(name="x")]).plain() == [{"name": "x"}]
    assert Schema([loss("x", detail=True)]).plain() == [
        {"name": "x", "better": "lower", "unit": "nats", "least": 0.0, "detail": True}
    ]


def test_a_name_that_is_not_declared_is_inferred_and_not_added() -> None:
    schema = Schema([perplexity("val_loss")])
    assert schema["val_loss"].axis == "log"
    assert schema["test_loss"] == infer_metric("test_loss")
    assert list(schema) == ["val_loss"]


@pytest.mark.parametrize("rows", [[{"label": "x"}], [{"name": "x", "colour": "red"}], [3], 3, [{3: 3}], None])
def test_something_else_than_a_schema(rows: Any) -> None:
    with pytest.raises(UserError, match=r"^here: not a schema of metrics \(.*was it edited by hand") as raised:
        Schema.from_plain(rows, "here")
    assert "\n" not in str(raised.value)


@given(metrics, st.floats(-1e6, 1e6))
def test_a_number_as_it_is_written(metric: Metric, value: float) -> None:
    written = metric.number(value)
    assert float(written.replace(",", "")) == pytest.approx(metric.scale * value, abs=0.51 * 10**-metric.decimals)
    assert len(written.partition(".")[2]) == metric.decimals
    unit = f" {metric.unit}" if metric.unit else ""
    assert metric.write(value) == f"{written}{unit}"


def test_numbers_that_one_knows() -> None:
    assert perplexity("p").write(1046.314) == "1,046.31"
    assert accuracy("a").write(0.545) == "54.50 %"
    assert percentage("f").write(45.27) == "45.3 %"
    assert loss("l").write(0.25) == "0.2500 nats"
    assert loss("l").number(math.nan) == "\N{EN DASH}"
    assert loss("l").write(math.nan) == "\N{EN DASH} nats"


@given(metrics, st.floats(allow_nan=True))
def test_which_values_are_possible(metric: Metric, value: float) -> None:
    impossible = value < metric.least or value > metric.greatest
    assert metric.holds(value) is not impossible


def test_titles_headings_and_modes() -> None:
    assert Metric(name="val_top/five").title == "Val top five"
    assert Metric(name="x", label="Of mine").title == "Of mine"
    assert accuracy("test_accuracy", "Test accuracy").heading == "Test accuracy (%)"
    assert perplexity("ppl").heading == "Ppl"
    assert [Metric(name="x", better=way).mode for way in ("lower", "higher", "neither")] == ["min", "max", "min"]


def headlines(*declared: Metric) -> list[str]:
    return [metric.name for metric in headline_metrics(declared)]


def test_the_metrics_that_stand_for_a_network() -> None:
    val = [loss("val_loss"), accuracy("val_accuracy"), perplexity("val_perplexity")]
    test = [loss("test_loss"), perplexity("test_perplexity"), accuracy("test_accuracy"), percentage("test_f1")]
    assert headlines(*val, *test) == ["test_accuracy", "test_f1"]
    assert headlines(*val, *test[:2]) == ["test_perplexity"]
    assert headlines(*val, test[0]) == ["test_loss"]
    assert headlines(*val) == ["val_accuracy"]
    assert headlines(val[0], val[2]) == ["val_perplexity"]
    assert headlines(val[0], accuracy("train_accuracy")) == ["val_loss"]
    assert headlines(accuracy("test_accuracy", detail=True), val[0]) == ["val_loss"]
    assert headlines(loss("train_loss"), Metric(name="size"), Metric(name="depth")) == ["size", "depth"]
    assert headlines(Metric(name="test_size"), loss("val_loss")) == ["test_size"]
    assert headlines(loss("train_loss")) == headlines() == []


def test_the_constructors_give_ranges_that_hold() -> None:
    assert not accuracy("a").holds(54.5)
    assert percentage("a").holds(54.5)
    assert not perplexity("a").holds(0.9)
    assert not loss("a").holds(-0.1)


def test_values_are_in_one_line_with_their_names_and_units() -> None:
    schema = Schema([loss("val_loss"), accuracy("val_accuracy")])
    values = {"val_accuracy": 0.5, "val_loss": math.nan, "val_perplexity": 12.0}
    assert schema.write(values) == "val_accuracy 50.00 % · val_perplexity 12.00"
    assert schema.write({}) == ""
