"""`surprisal`, `generate` and `states`: what they write and print, and one line for every mistake."""

import csv
import math
import re
from pathlib import Path

import pytest
import torch
from helpers.tiny_grammar import train_tiny_grammar
from safetensors.torch import load_file
from test_parse import loaded, main

from app.runs.output_directory import WRITTEN

CONFIG = ("--config", "tree.yaml")
TEXT = "The cat\tsees the zebra.\tYes!\nthe old dog likes a mat\n\nthe dog sees\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small trained model in runs/, and a text."""
    directory = tmp_path_factory.mktemp("surprisal")
    train_tiny_grammar(directory)
    (directory / "text.txt").write_text(TEXT)
    (directory / "signs.txt").write_text("the cat\n. . .\n")
    return directory


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_tables_hold_what_the_model_says(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--input", "text.txt", "--draw", "[4, 1]", "--output", str(tmp_path))
    assert main("surprisal", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    said = capsys.readouterr().out
    pictures = {"surprisal.svg", "surprisal.png", "surprisal.pdf"}
    assert {each.name for each in tmp_path.iterdir()} == {"words.tsv", "written.tsv", "regions.tsv", WRITTEN, *pictures}
    sentences = [
        ["the", "cat", "sees", "the", "zebra", "yes"],
        ["the", "old", "dog", "likes", "a", "mat"],
        ["the", "dog", "sees"],
    ]
    model = loaded(trained)
    expected = model.readings(sentences)
    words = rows(tmp_path / "words.tsv")
    assert [row["word"] for row in words] == [word for sentence in sentences for word in sentence]
    assert [int(row["line"]) for row in words] == [1] * 6 + [2] * 6 + [4] * 3
    assert [int(row["text"]) for row in words] == [1] * 12 + [2] * 3
    assert [row["unknown"] for row in words] == ["0", "0", "0", "0", "1", "1", *"0" * 9]
    bits = [value for reading in expected for value in reading.surprisal.tolist()]
    assert [float(row["surprisal_bits"]) for row in words] == pytest.approx(bits, abs=1e-5)
    entropies = [value for reading in expected for value in reading.entropy.tolist()]
    assert [float(row["entropy_bits"]) for row in words] == pytest.approx(entropies, abs=1e-5)
    layer_2 = [value for reading in expected for value in reading.distances[1].tolist()]
    assert [float(row["distance_layer_2"]) for row in words] == pytest.approx(layer_2, abs=1e-5)
    assert f"{sum(bits) / len(bits):.3f} bits" in said
    assert "2 (13.3%) are not in the vocabulary" in said
    regions = {(row["line"], row["region"]): row for row in rows(tmp_path / "regions.tsv")}
    assert [row["region_text"] for row in regions.values()][:3] == ["The cat", "sees the zebra.", "Yes!"]
    assert float(regions["1", "2"]["surprisal_bits"]) == pytest.approx(sum(bits[2:5]), abs=1e-5)
    assert float(regions["1", "2"]["entropy_bits"]) == pytest.approx(entropies[4], abs=1e-5)
    assert (regions["1", "3"]["words"], regions["1", "3"]["unknown"]) == ("1", "1")
    written = [row["written_word"] for row in rows(tmp_path / "written.tsv")]
    assert written == TEXT.split()


def test_sentences_of_running_text_are_found(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raw.txt").write_text("The cat sees\nthe dog. A dog\tsees. The\nmat!\n\nThe dog likes a mat.\n")
    asked = ("--input", str(tmp_path / "raw.txt"), "--raw", "true")
    output = tmp_path / "out"
    arguments = (*asked, "--draw", "[2]", "--output", str(output))
    assert main("surprisal", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    words = rows(output / "words.tsv")
    found = {(row["sentence"], row["line"], row["text"]) for row in words}
    assert found == {("1", "1", "1"), ("2", "2", "1"), ("3", "2", "1"), ("4", "5", "2")}
    assert [row["word"] for row in words if row["sentence"] == "2"] == ["a", "dog", "sees"]
    expected = loaded(trained).readings([["a", "dog", "sees"]])[0].surprisal.tolist()
    bits = [float(row["surprisal_bits"]) for row in words if row["sentence"] == "2"]
    assert bits == pytest.approx(expected, abs=1e-5)
    assert not (output / "regions.tsv").exists()
    states = tmp_path / "states.safetensors"
    assert main("states", *CONFIG, *asked, "--output", str(states), monkeypatch=monkeypatch, cwd=trained) == 0
    assert load_file(states)["sentence"].unique().tolist() == [1, 2, 3, 4]
    capsys.readouterr()
    arguments = (*asked, "--draw", "[9]", "--output", str(output))
    assert main("surprisal", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 2
    assert "--draw names sentence 9; " in capsys.readouterr().err


def test_the_state_is_carried_through_a_text(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--input", "text.txt", "--carry", "true", "--output", str(tmp_path))
    assert main("surprisal", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    model = loaded(trained)
    first = [["the", "cat", "sees", "the", "zebra", "yes"], ["the", "old", "dog", "likes", "a", "mat"]]
    expected = [*model.readings(first, carried=True), *model.readings([["the", "dog", "sees"]])]
    bits = [value for reading in expected for value in reading.surprisal.tolist()]
    found = [float(row["surprisal_bits"]) for row in rows(tmp_path / "words.tsv")]
    assert found == pytest.approx(bits, abs=1e-5)
    assert all(math.isfinite(value) for value in found)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--input", "none.txt"), "none.txt: cannot be read"),
        (("--input", "signs.txt"), "signs.txt, line 2: no word"),
        (("--input", "text.txt", "--draw", "[3]"), "--draw names line 3; text.txt has no sentence there"),
        ((), "input"),
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
    assert main("surprisal", *CONFIG, *arguments, *output, monkeypatch=monkeypatch, cwd=trained) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith("error: ")
    assert said in line
    assert not (tmp_path / "out").exists()


def test_sentences_are_drawn_and_judged_by_the_grammar(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--number", "30", "--longest", "6", "--seed", "2")
    assert main("generate", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    printed = capsys.readouterr()
    sentences = [line.split() for line in printed.out.splitlines()]
    assert sentences == loaded(trained).sample(30, longest=6, seed=2)
    model = re.compile("(the|a)( old| red)? (cat|dog|mat) (sees|likes)( (the|a)( old| red)? (cat|dog|mat))?")
    accepted = sum(model.fullmatch(" ".join(words)) is not None for words in sentences)
    assert f"the grammar accepts {accepted} of 30 " in printed.err
    cut = sum(len(words) == 6 for words in sentences)
    assert f"{cut} cut off after 6 words" in printed.err
    file = tmp_path / "drawn.txt"
    assert main("generate", *CONFIG, *arguments, "--output", str(file), monkeypatch=monkeypatch, cwd=trained) == 0
    assert file.read_text() == printed.out


def test_states_of_all_layers_are_written_with_their_words(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "states.safetensors"
    arguments = ("--input", "text.txt", "--output", str(file))
    assert main("states", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    found = load_file(file)
    words = bytes(found["words"].tolist()).decode().split("\n")
    assert words[:6] == ["the", "cat", "sees", "the", "zebra", "yes"]
    assert found["line"].tolist() == [1] * 6 + [2] * 6 + [4] * 3
    assert found["position"].tolist() == [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 1, 2, 3]
    assert found["sentence"].tolist() == [1] * 6 + [2] * 6 + [3] * 3
    assert found["unknown"].tolist() == [word in ("zebra", "yes") for word in words]
    for layer, expected in enumerate(loaded(trained).hidden_states([["the", "dog", "sees"]])[0], 1):
        torch.testing.assert_close(found[f"layer_{layer}"][-3:], expected)
