"""`parse --choose_on`: a layer and a builder chosen on validation trees and scored on others."""

import csv
from pathlib import Path

import pytest
import torch
from helpers.tiny_grammar import train_tiny_grammar
from test_parse import main

from app.commands.choose import Validation, choose
from app.common.errors import UserError
from app.parsing import BUILDERS, GoldSentence, build_tree, score
from app.parsing.layers import by_layer
from datamodules import Grammar
from datamodules.validation_sentences import validation_sentences

CONFIG = ("--config", "tree.yaml")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small trained model in runs/, and a second treebank."""
    directory = tmp_path_factory.mktemp("choose")
    train_tiny_grammar(directory)
    (directory / "other").mkdir()
    (directory / "other" / "wsj_0001.mrg").write_text(
        "( (S (NP (DT the) (NN mat)) (VP (VBZ likes) (NP (NN it)))) )\n" * 2
    )
    return directory


class Fixed:
    """Distances that are given, by sentence: one layer right, one layer wrong."""

    vocabulary = None

    def distances(self, sentences):
        return [torch.tensor([[1.0, 0.1, 0.5], [1.0, 0.5, 0.1]])[:, : len(words)] for words in sentences]


def test_the_best_on_validation_trees_is_chosen() -> None:
    gold = [GoldSentence(("a", "b", "c"), ((0, 1), 2)), GoldSentence(("a", "b"), (0, 1))]
    choice = choose(Fixed(), Validation("some", gold))  # type: ignore[arg-type]
    scores = {
        (builder, layer): score(
            [build_tree(by_layer(each)[layer], builder) for each in Fixed().distances([s.words for s in gold])], gold
        ).sentence_f1
        for builder in BUILDERS
        for layer in ("layer 1", "layer 2", "mean of layers")
    }
    assert {key: row.scores_all.sentence_f1 for key, row in choice.rows.items()} == scores
    assert scores[choice.builder, choice.layer] == max(scores.values()) == 1
    assert (choice.layer, choice.builder) == ("layer 1", "between_words")


def test_it_is_named_and_scored_on_the_others(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--choose_on", "15", "--output", str(tmp_path), "--draw", "[1]")
    assert main("parse", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    (said,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("chosen on")]
    with open(tmp_path / "chosen.csv") as file:
        rows = list(csv.DictReader(file))
    (best,) = [row for row in rows if row["chosen"] == "1"]
    assert float(best["validation_sentence_f1"]) == max(float(row["validation_sentence_f1"]) for row in rows)
    assert said.startswith(f"chosen on the first 15 sentences: {best['layer']}, {best['builder']}, with UF1 ")
    with open(tmp_path / "scores.csv") as file:
        scores = {row["name"]: row for row in csv.DictReader(file) if not row["max_words"]}
    assert len(rows) == 6
    for row in rows:
        assert (row["validation_sentences"], row["sentences"]) == ("15", "25")
        assert row["sentence_f1"] == scores[f"{row['layer']}, {row['builder']}"]["sentence_f1"]
    assert f"{100 * float(best['sentence_f1']):.1f} of 25 sentences" in said


def test_validation_sentences_of_the_data_and_of_another_treebank(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    data = Grammar(grammar="tiny.pcfg", val_sentences=7, test_sentences=5)
    data.prepare_data()
    data.setup("predict")
    division = validation_sentences(data, None, "valid", data.sentences)
    assert (division.title, len(division.validation), len(division.test)) == ("Grammar, valid", 7, 5)
    assert list(division.validation) != list(data.sentences)
    with pytest.warns(UserWarning, match="other is not the Penn Treebank"):
        division = validation_sentences(data, None, "other", data.sentences)
    assert [sentence.words[1] for sentence in division.validation] == ["mat", "mat"]
    # Without the notice that another split of the same treebank has had, which would be an error here.
    with pytest.raises(UserError, match="are among those to test on"):
        validation_sentences(data, "other", "short", division.validation)
    with pytest.raises(UserError, match="there is no split 'dev'"):
        validation_sentences(data, "other", "dev", division.validation)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--choose_on", "40"), "--choose_on is 40; it must leave some of the 40 sentences to test on"),
        (("--choose_on", "0"), "--choose_on is 0; it must leave"),
        (
            ("--choose_on", "dev"),
            "--choose_on is 'dev', which is neither a treebank nor a number of sentences, nor valid",
        ),
        (("--choose_on", "dev", "--treebank", "bank"), "no split 'dev'"),
        (("--choose_on", "short", "--treebank", "bank"), "are among those to test on"),
        (("--choose_on", "bank", "--treebank", "bank"), "--choose_on: 1 sentences of treebank in bank, all are among"),
        (("--choose_on", "5", "--text", "the cat"), "--choose_on is for sentences with gold trees"),
    ],
)
@pytest.mark.filterwarnings("ignore:bank is not the Penn Treebank:UserWarning")
def test_mistakes_are_one_line(
    trained: Path,
    arguments: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main("parse", *CONFIG, *arguments, "--output", "out", monkeypatch=monkeypatch, cwd=trained) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("error: ")
    assert said in line
    assert not (trained / "out").exists()
