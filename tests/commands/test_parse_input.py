"""`parse --input`: trees and distances of a file of sentences; and one line for every mistake."""

import csv
from pathlib import Path

import pytest
from helpers.tiny_grammar import train_tiny_grammar
from test_parse import loaded, main

from app.parsing.builders import BUILDERS, build_tree
from app.parsing.tree_files import read_trees

CONFIG = ("--config", "tree.yaml")
SENTENCES = {1: ["the", "cat", "sees", "the", "zebra"], 3: ["dog"], 4: ["a", "red", "mat"]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small trained model in runs/, and a text."""
    directory = tmp_path_factory.mktemp("input")
    train_tiny_grammar(directory)
    (directory / "text.txt").write_text("The cat sees the zebra.\n\ndog\na red mat\n")
    return directory


def test_trees_and_distances_of_every_layer(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--input", "text.txt", "--draw", "[4]", "--output", str(tmp_path))
    assert main("parse", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    said = capsys.readouterr().out
    assert "3 sentences, 9 words, 1 (11.1%) of them read as <unk>" in said
    assert {"line_4.svg", "line_4.png"} <= {path.name for path in tmp_path.iterdir()}
    expected = loaded(trained).distances(list(SENTENCES.values()))
    with open(tmp_path / "distances.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9 * 3
    for (line, words), layers in zip(SENTENCES.items(), expected, strict=True):
        for name, values in {"1": layers[0], "2": layers[1], "mean": layers.mean(0)}.items():
            mine = [row for row in rows if (row["line"], row["layer"]) == (str(line), name)]
            assert [row["word"] for row in mine] == words
            assert [float(row["distance"]) for row in mine] == pytest.approx(values.tolist(), abs=1e-5)
            assert [row["unknown"] for row in mine] == [str(int(word == "zebra")) for word in words]
    for builder in BUILDERS:
        trees = read_trees(tmp_path / f"layer_2.{builder}.txt")
        assert [list(tree.words) for tree in trees] == list(SENTENCES.values())
        assert [tree.tree for tree in trees] == [build_tree(layers[1].tolist(), builder) for layers in expected]


def test_running_text(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (trained / "raw.txt").write_text("The cat sees\nthe zebra. A dog\nlikes it.\n")
    arguments = ("--input", "raw.txt", "--raw", "true", "--draw", "[2]", "--output", str(tmp_path))
    assert main("parse", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    trees = read_trees(tmp_path / "layer_1.shen2018.txt")
    assert [" ".join(tree.words) for tree in trees] == ["the cat sees the zebra", "a dog likes it"]
    assert (tmp_path / "sentence_2.svg").exists()
    with open(tmp_path / "distances.csv") as file:
        assert [row["line"] for row in csv.DictReader(file) if row["position"] == row["layer"] == "1"] == ["1", "2"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--input", "none.txt"), "none.txt: cannot be read"),
        (("--input", "text.txt", "--draw", "[2]"), "--draw names line 2; text.txt has no sentence there"),
        (("--input", "text.txt", "--draw", "[3]"), "--draw names line 3, which has one word"),
        (("--input", "text.txt", "--raw", "true", "--draw", "[9]"), "--draw names sentence 9; text.txt has no such"),
        (("--text", "a dog", "--raw", "true"), "--raw is for a text that --input names"),
        (("--input", "text.txt", "--layer", "9"), "--layer is 9; this model has layers 1 to 2"),
        (("--input", "text.txt", "--text", "a dog"), "--text and --input are both given"),
    ],
)
def test_mistakes_are_one_line(
    trained: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = ("--output", str(tmp_path / "out"))
    assert main("parse", *CONFIG, *arguments, *output, monkeypatch=monkeypatch, cwd=trained) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith("error: ")
    assert said in line
    assert not (tmp_path / "out").exists()
