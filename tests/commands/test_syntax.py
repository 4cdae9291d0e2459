"""`syntax`: accuracies, tables and pictures of a trained model; two models compared; one line for every mistake."""

import csv
import inspect
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from helpers.configs import composed, spec
from helpers.tiny_grammar import train_tiny_grammar
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.loggers.logger import DummyLogger
from test_parse import loaded, main

from app.commands.syntax import ended, sentence_end
from app.common.vocabulary import EOS, Vocabulary
from app.runs.output_directory import WRITTEN
from app.syntax.templates import ENGLISH
from datamodules import Grammar

CONFIG = ("--config", "tree.yaml")
RUN = Path("runs/tree/seed_0")
TEMPLATES = """
words CAT: cat, dog, zebra
[short] order
case simple
one: the CAT [sees | likes] a mat
[long] polarity
case npi
two: [the a | a the | mat mat] CAT
"""
PAIRS = "the cat sees a dog\tcat the sees a dog\nthe mat likes the emu\tthe mat the likes emu\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small trained model in runs/, pairs and templates."""
    directory = tmp_path_factory.mktemp("syntax")
    train_tiny_grammar(directory)
    (directory / "own.txt").write_text(TEMPLATES)
    (directory / "own.tsv").write_text(PAIRS)
    (directory / "bad.tsv").write_text("a\n")
    (directory / "same.tsv").write_text("The cat.\tthe cat\n")
    (directory / "signs.tsv").write_text("the cat\t...\n")
    (directory / "empty.txt").write_text("[short] order\ncase simple\none: [ | sees]\n")
    return directory


class Tables(DummyLogger):
    """A logger with `log_table`, like W&B's."""

    logged: ClassVar[list[Any]] = []

    def log_table(self, *arguments: Any, **options: Any) -> None:
        bound = inspect.signature(WandbLogger.log_table).bind(self, *arguments, **options).arguments
        self.logged.append((bound["key"], bound["columns"], bound["data"]))


def rows(path: Path) -> list[dict[str, str]]:
    with open(path) as file:
        return list(csv.DictReader(file))


def test_templates_are_scored_with_the_models_probabilities(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--templates", "own.txt", "--output", str(tmp_path))
    assert main("syntax", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    said = capsys.readouterr().out
    assert "predicted as <unk>: zebra" in said
    assert said.index("short-term") < said.index("order") < said.index("long-term") < said.index("polarity")
    assert {path.name for path in tmp_path.iterdir()} == {
        "scores.csv",
        "outcomes.csv",
        "accuracy.svg",
        "accuracy.png",
        "accuracy.pdf",
        WRITTEN,
    }
    found = {(row["row"], row["comparison"]): row for row in rows(tmp_path / "scores.csv")}
    model = loaded(trained)

    def log_p(sentence: str) -> float:
        return model.log_probabilities([[*sentence.split(), EOS]]).item()

    order = found["order", ""]
    right = [log_p(f"the {cat} sees a mat") > log_p(f"the {cat} likes a mat") for cat in ("cat", "dog", "zebra")]
    assert (int(order["items"]), int(order["right"]), int(order["unknown"])) == (3, sum(right), 1)
    assert float(order["accuracy"]) == pytest.approx(sum(right) / 3)
    assert order["model"] == "tree"
    polarity = found["polarity, intrusive vs. ungrammatical", "intrusive vs. ungrammatical"]
    right = [log_p(f"a the {cat}") > log_p(f"mat mat {cat}") for cat in ("cat", "dog", "zebra")]
    assert int(polarity["right"]) == sum(right)


def test_pairs_are_read_in_the_spelling_of_the_vocabulary(
    trained: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (trained / "spelt.tsv").write_text("The cat sees a DOG!\tCat, the sees a dog?\n")
    (trained / "plain.tsv").write_text("the cat sees a dog\tcat the sees a dog\n")
    found = []
    for name in ("spelt", "plain"):
        arguments = ("--pairs", f"{name}.tsv", "--output", str(tmp_path / name))
        assert main("syntax", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
        with open(tmp_path / name / "sentences.csv") as file:
            found.append([row["log_probability"] for row in csv.DictReader(file)])
    assert found[0] == found[1]


def test_pairs_of_ones_own(trained: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    arguments = ("--pairs", "own.tsv", "--output", str(tmp_path))
    assert main("syntax", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    sentences = rows(tmp_path / "sentences.csv")
    assert [row["sentence"] for row in sentences] == PAIRS.replace("\t", "\n").split("\n")[:-1]
    expected = loaded(trained).log_probabilities([[*row["sentence"].split(), EOS] for row in sentences])
    found = torch.tensor([float(row["log_probability"]) for row in sentences], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    (row,) = rows(tmp_path / "scores.csv")
    assert (row["case"], row["items"], row["unknown"]) == ("pairs", "2", "1")
    assert int(row["right"]) == int(found[0] > found[1]) + int(found[2] > found[3])


def test_scores_go_beside_the_checkpoint_and_to_a_logger(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tables, "logged", [])
    arguments = ("--templates", "own.txt", "--trainer.logger", "test_syntax.Tables")
    assert main("syntax", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    written = rows(trained / RUN / "syntax" / "scores.csv")
    ((key, columns, data),) = Tables.logged
    assert key == "syntax"
    logged = [dict(zip(columns, row, strict=True)) for row in data]
    assert [row["row"] for row in logged] == [row["row"] for row in written]
    assert [row["accuracy"] for row in logged] == [float(row["accuracy"]) for row in written]


def test_models_side_by_side(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        stimuli = ("--pairs", "own.tsv") if name == "c" else ("--templates", "own.txt")
        arguments = (*stimuli, "--output", str(tmp_path / name))
        assert main("syntax", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    scores = tmp_path / "b" / "scores.csv"
    scores.write_text(scores.read_text().replace("\ntree,", "\nother,"))
    capsys.readouterr()
    compare = ("syntax", "--compare", str(tmp_path / "a"), str(scores))
    assert main(*compare, "--output", str(tmp_path / "drawn"), monkeypatch=monkeypatch, cwd=trained) == 0
    said = capsys.readouterr().out
    assert said.index("tree") < said.index("other") < said.index("order")
    assert {path.name for path in (tmp_path / "drawn").iterdir()} == {
        "accuracy.svg",
        "accuracy.png",
        "accuracy.pdf",
        "comparison.csv",
        WRITTEN,
    }
    assert said.index("order") < said.index("tree against other: McNemar's exact test")
    outcomes = tmp_path / "b" / "outcomes.csv"
    outcomes.write_text(outcomes.read_text().splitlines()[0])
    assert main(*compare, monkeypatch=monkeypatch, cwd=trained) == 2
    assert f"{outcomes}, line 2: not what syntax wrote with the scores beside it" in capsys.readouterr().err
    outcomes.unlink()
    assert main(*compare, monkeypatch=monkeypatch, cwd=trained) == 0
    assert f"no McNemar's test: there is no {outcomes}" in capsys.readouterr().out
    assert main(*compare[:3], str(tmp_path / "c"), monkeypatch=monkeypatch, cwd=trained) == 2
    assert "scored on different sentences" in capsys.readouterr().err
    assert main(*compare[:3], monkeypatch=monkeypatch, cwd=trained) == 2
    assert "takes 2 to 6 files" in capsys.readouterr().err
    assert main(*compare[:3], str(tmp_path / "none.csv"), monkeypatch=monkeypatch, cwd=trained) == 2
    assert "none.csv: cannot be read" in capsys.readouterr().err
    assert main(*compare[:3], str(tmp_path / "a"), monkeypatch=monkeypatch, cwd=trained) == 2
    assert "names the same file twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], r"tiny\.pcfg has no minimal pairs; name a file of some in its words with --pairs"),
        (["--pairs", "own.tsv", "--templates", "own.txt"], r"--pairs and --templates are both given"),
        (["--pairs", "same.tsv"], r"same\.tsv, item 1: two sentences are the same to the model, 'the cat'"),
        (["--pairs", "signs.tsv"], r"signs\.tsv, item 1: a sentence has no words"),
        (["--pairs", "none.tsv"], r"none\.tsv: cannot be read"),
        (["--pairs", "bad.tsv"], r"bad\.tsv, line 1: 1 column"),
        (["--templates", "own.tsv"], r"own\.tsv, line 1: .* is not understood"),
        (["--templates", "empty.txt"], r"empty\.txt, line 3: makes a sentence without words"),
        (["--pairs", "own.tsv", "--ckpt_path", "own.tsv"], r"own\.tsv: not a checkpoint"),
        (["--pairs", "own.tsv", "--experiment", "other"], r"runs/other/seed_0/best\.ckpt: no such file"),
        (
            ["--pairs", "own.tsv", "--model.net.layer_sizes", "[8, 8]"],
            r"model\.init_args\.net\.init_args\.layer_sizes is \[8, 8\] on the command line and \[12, 8\] in runs",
        ),
        (
            ["--pairs", "own.tsv", "--model", "app.modules.Classifier", "--model.net", "app.nets.LeNet"],
            r"model\.class_path is app\.modules\.Classifier on the command line and app\.modules\.LanguageModel in",
        ),
    ],
)
def test_one_line_for_a_mistake(
    trained: Path,
    arguments: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main("syntax", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1, said
    assert re.search(says, said), said


def test_what_ends_a_sentence() -> None:
    assert sentence_end(Vocabulary([EOS, "a"])) == EOS
    assert sentence_end(Vocabulary([EOS, ".", "a"])) == "."
    assert ended(["a"], ".") == ended(["a", "."], ".") == ["a", "."]
    for whole in (["a", "?"], ["a", "!"], ["a", "?", "''"]):
        assert ended(whole, ".") == whole
    assert ended(["a", "?"], EOS) == ["a", "?", EOS]


def test_the_grammar_has_pairs_of_its_own() -> None:
    assert Grammar().templates == ENGLISH


def test_the_papers_configurations_are_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    nets = {}
    for name in ("on_lstm", "lstm"):
        config = composed(f"syntax/{name}.yaml", monkeypatch=monkeypatch)
        model, data, trainer = config["model"]["init_args"], config["data"]["init_args"], config["trainer"]
        nets[name] = model.pop("net")
        assert nets[name]["init_args"]["input_size"] == 200
        assert nets[name]["init_args"]["layer_sizes"] == [650, 650]
        assert nets[name]["init_args"].get("chunk_size", 10) == 10
        assert model["tied"] is False
        assert {model["dropout_input"], model["dropout_output"], nets[name]["init_args"]["dropout"]} == {0.2}
        assert model["optimizer"] == spec("torch.optim.SGD", lr=20.0)
        plateau = {"factor": 0.25, "patience": 0, "threshold": 0.0}
        assert model["lr_scheduler"] == spec("torch.optim.lr_scheduler.ReduceLROnPlateau", **plateau)
        assert (data["batch_size"], data["bptt"]) == (128, 35)
        assert (trainer["max_epochs"], trainer["gradient_clip_val"]) == (40, 0.25)
    assert nets["on_lstm"]["class_path"] == "app.nets.ONLSTM"
    assert nets["lstm"]["class_path"] == "app.nets.LSTM"
