"""schema.json: which metrics a run's networks measure, and which methods made them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.common.metrics import Schema, accuracy, infer_metric, loss, percentage
from app.lottery.methods import METHODS
from app.lottery.settings import Pruning
from app.runs.layout import FitLayout, NetworkKey, RunLayout
from app.runs.schema import MethodNote, RunSchema, read_schema, write_schema

METRICS = [loss("val_loss", "Validation loss"), accuracy("val_accuracy", detail=True), percentage("uf1_layer_1")]
NOTES = [MethodNote(name="dense"), MethodNote(name="mine", label="my own", note="as I like", of="iterative")]


@pytest.mark.parametrize("layout", [RunLayout, FitLayout])
def test_what_is_written_is_read(tmp_path: Path, layout: type[RunLayout]) -> None:
    run = layout(tmp_path / "new")
    write_schema(run, METRICS, NOTES)
    found = read_schema(run)
    assert list(found.metrics.values()) == METRICS
    assert list(found.methods) == NOTES
    json.loads(run.schema.read_text(), parse_constant=pytest.fail)  # other readers know no Infinity


def test_a_directory_from_before_there_was_one(tmp_path: Path) -> None:
    found = read_schema(RunLayout(tmp_path))
    assert found == RunSchema()
    assert found.metrics["val_accuracy"] == infer_metric("val_accuracy")
    assert found.method("one_shot") == MethodNote(name="one_shot")
    assert found.method("one_shot").title == "one shot"


def test_methods_that_were_there_stay_behind_those_that_are_given(tmp_path: Path) -> None:
    run = RunLayout(tmp_path)
    write_schema(run, METRICS, [MethodNote(name="a"), MethodNote(name="b", label="old"), MethodNote(name="c")])
    write_schema(run, METRICS[:1], [MethodNote(name="d"), MethodNote(name="b", label="new")])
    found = read_schema(run)
    assert [(method.name, method.label) for method in found.methods] == [("d", ""), ("b", "new"), ("a", ""), ("c", "")]
    assert list(found.metrics) == ["val_loss"]


@given(st.lists(st.sampled_from("abcdef")), st.lists(st.sampled_from("abcdef"), unique=True))
def test_names_in_the_order_of_the_schema(given_names: list[str], known: list[str]) -> None:
    ordered = RunSchema(methods=[MethodNote(name=name) for name in known]).in_order(given_names)
    place = {name: number for number, name in enumerate(known)}
    first = {name: given_names.index(name) for name in given_names}
    assert ordered == sorted(first, key=lambda name: (place.get(name, len(known)), first[name]))


def test_every_method_of_ours_says_what_it_is() -> None:
    for name, method in METHODS.items():
        described = method().described
        assert described.name == name
        assert described.title == method.label
        assert not described.note.endswith(".")
        assert described.note or name == "dense"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        "{}",
        '{"metrics": []}',
        '{"methods": []}',
        '{"metrics": [], "methods": [{}]}',
        '{"metrics": [], "methods": [3]}',
        '{"metrics": [], "methods": [{"name": "a", "colour": "red"}]}',
        '{"metrics": [{"colour": "red"}], "methods": []}',
        '{"metrics": 3, "methods": []}',
        "\xff",
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, text: str) -> None:
    run = RunLayout(tmp_path)
    run.schema.write_bytes(text.encode("latin-1"))
    says = r"schema\.json(: not a schema.*was it edited by hand|: not JSON|, line 1: not UTF-8)"
    with pytest.raises(UserError, match=says) as raised:
        read_schema(run)
    assert "\n" not in str(raised.value)
    before = run.schema.read_bytes()
    with pytest.raises(UserError):
        write_schema(run, Schema())
    assert run.schema.read_bytes() == before


def test_networks_of_a_lottery_are_read_as_they_were_written(tmp_path: Path) -> None:
    keys = list(Pruning(rounds=3, replicates=2, methods=["iterative", "one_shot"], random_mask=2).networks())
    run = RunLayout(tmp_path)
    write_schema(run, METRICS, networks=keys)
    found = read_schema(run).networks
    assert found is not None
    assert [(str(key), key.path) for key in found] == [(str(key), key.path) for key in keys]
    assert len(keys) == 2 * (1 + 3 * (1 + 1 + 2))


@pytest.mark.parametrize(
    "changed", [{"replicate": -1}, {"replicate": "0"}, {"method": "../x"}, {"rounds": [0]}, {"rounds": 3}, {"of": None}]
)
def test_networks_that_no_lottery_has_are_refused(changed: dict[str, object], tmp_path: Path) -> None:
    run = RunLayout(tmp_path)
    write_schema(run, METRICS, networks=[NetworkKey(0, "iterative", 1)])
    plain = json.loads(run.schema.read_text())
    plain["networks"][0] |= changed
    run.schema.write_text(json.dumps(plain))
    with pytest.raises(UserError, match=r"not a schema.*was it edited by hand"):
        read_schema(run)
