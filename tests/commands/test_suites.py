"""`syntax --suites`: predictions scored by the sums of surprisal; and one line for every mistake."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from helpers.tiny_grammar import train_tiny_grammar
from test_parse import loaded, main

CONFIG = ("--config", "tree.yaml")
ITEMS = [
    {"good": ["The", "cat", "sees", "a zebra."], "bad": ["The", "sees", "cat", "a dog ."]},
    {"good": ["a", "red dog", "", "likes"], "bad": ["a", "dog red", "", "likes"]},
    {"good": ["a", "the", "mat", "mat"], "bad": ["a", "mat", "", "sees"]},
]
FORMULAS = ["(*;%good%) < (*;%bad%)", "[(2;%good%) + (3;%good%)] > (2;%bad%) & (4;%bad%) > 0"]


def suite(**changes: Any) -> dict[str, Any]:
    return {
        "meta": {"name": "order", "metric": "sum"},
        "predictions": [{"type": "formula", "formula": formula} for formula in FORMULAS],
        "items": [
            {
                "item_number": number,
                "conditions": [
                    {
                        "condition_name": name,
                        "regions": [{"region_number": at, "content": text} for at, text in enumerate(texts, 1)],
                    }
                    for name, texts in item.items()
                ],
            }
            for number, item in enumerate(ITEMS, 1)
        ],
    } | changes


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small trained model in runs/, and suites."""
    directory = tmp_path_factory.mktemp("suites")
    train_tiny_grammar(directory)
    (directory / "bank2").mkdir()
    (directory / "bank2" / "order.json").write_text(json.dumps(suite()))
    bad = {
        "list": [],
        "metric": suite(meta={"metric": "median"}),
        "region": suite(predictions=[{"formula": "(9;%good%) > 0"}]),
        "condition": suite(predictions=[{"formula": "(*;%other%) > 0"}]),
        "formula": suite(predictions=[{"formula": "(1;%good%) >"}]),
        "empty": suite(items=[]),
    }
    for name, value in bad.items():
        (directory / f"{name}.json").write_text(json.dumps(value))
    return directory


@pytest.mark.parametrize("metric", ["sum", "mean"])
def test_predictions_are_scored_with_the_models_surprisal(
    trained: Path, tmp_path: Path, metric: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "order.json").write_text(json.dumps(suite(meta={"name": "order", "metric": metric})))
    output = tmp_path / "scores"
    arguments = ("--suites", str(tmp_path), "--output", str(output))
    assert main("syntax", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    model = loaded(trained)

    def bits(words: list[list[str]]) -> list[float]:
        values = model.readings([[word for part in words for word in part]])[0].surprisal.tolist()
        found = [sum(values) / (len(values) if metric == "mean" else 1)]
        for part in words:
            own, values = values[: len(part)], values[len(part) :]
            found.append(sum(own) / (len(own) or 1) if metric == "mean" else sum(own))
        return found

    expected: list[list[int]] = [[], []]
    for item in ITEMS:
        good, bad = (bits([text.lower().replace(".", "").split() for text in item[name]]) for name in ("good", "bad"))
        expected[0].append(int(good[0] < bad[0]))
        expected[1].append(int(good[2] + good[3] > bad[2] and bad[4] > 0))
    with open(output / "suite_items.csv") as file:
        found = [(int(row["prediction"]), int(row["right"])) for row in csv.DictReader(file)]
    assert found == [(number, right) for number, rights in enumerate(expected) for right in rights]
    with open(output / "suites.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["formula"] for row in rows] == FORMULAS
    assert [int(row["right"]) for row in rows] == list(map(sum, expected))
    assert (rows[0]["words"], rows[0]["unknown"]) == ("25", "1")
    assert "order, 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.json", "cannot be read"),
        ("bank", r"bank: no .json files there"),
        ("list.json", "not a suite of SyntaxGym"),
        ("metric.json", "its metric is 'median'; expected sum or mean"),
        ("region.json", "item 1: no region 9 of condition good"),
        ("condition.json", "item 1: no condition other"),
        ("formula.json", "cannot be read at its end"),
        ("empty.json", "has no items"),
    ],
)
def test_mistakes_are_one_line(
    trained: Path, name: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("syntax", *CONFIG, "--suites", name, monkeypatch=monkeypatch, cwd=trained) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"error: {name}")
    assert line.count(name) == 1
    assert said in line
