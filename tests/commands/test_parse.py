"""`parse`: scores, tree files and pictures of a trained model; and one line for every mistake."""

import csv
import math
import pickle
import re
import shutil
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from helpers.tiny_grammar import train_tiny_grammar
from lightning.pytorch.loggers.logger import DummyLogger

from app import __main__
from app.commands.parse import words_of
from app.common.vocabulary import Vocabulary
from app.modules import LanguageModel
from app.nets import ONLSTM
from app.parsing import build_tree, score
from app.parsing.tree_files import read_trees
from app.runs.output_directory import WRITTEN

CONFIG = ("--config", "tree.yaml")
RUN = Path("runs/tree/seed_0")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small trained model in runs/."""
    directory = tmp_path_factory.mktemp("parse")
    train_tiny_grammar(directory)
    with open(directory / RUN / "metrics.csv") as file:
        (row,) = csv.DictReader(file)
    assert 0 <= float(row["uf1_layer_2"]) <= 100
    return directory


def main(*arguments: str, monkeypatch: pytest.MonkeyPatch, cwd: Path) -> int:
    """`python -m app` in this process, which is faster."""
    monkeypatch.chdir(cwd)
    monkeypatch.setattr("sys.argv", ["app", *arguments])
    monkeypatch.setattr("warnings.showwarning", None)
    return __main__.main(list(arguments))


def loaded(directory: Path) -> LanguageModel:
    """The trained model, without our command line."""
    checkpoint = torch.load(directory / RUN / "best.ckpt", weights_only=True)
    model = LanguageModel(ONLSTM(8, [12, 8], 2), 11)
    model.load_state_dict(checkpoint["state_dict"])
    model.vocabulary = Vocabulary(checkpoint["vocabulary"]["words"])
    return model


class Tables(DummyLogger):
    """A logger with `log_table`, like W&B's."""

    logged: ClassVar[list[Any]] = []

    def log_table(self, key: str, columns: list[str], data: list[list[Any]]) -> None:
        self.logged.append((key, columns, data))


def test_a_logger_that_is_named_gets_the_scores(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tables, "logged", [])
    arguments = ("--output", str(tmp_path), "--trainer.logger", "test_parse.Tables")
    assert main("parse", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    (key, columns, data), (drawn, _, trees) = Tables.logged
    with open(tmp_path / "scores.csv") as file:
        header, *written = list(csv.reader(file))
    assert (key, columns) == ("parse", header)
    assert [["" if value is None else str(value) for value in row] for row in data] == written
    assert drawn == "trees"
    assert [row[-1] for row in trees] == [str(path) for path in sorted(tmp_path.glob("sentence_*.png"))]


def test_scores_trees_and_pictures(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--output", str(tmp_path), "--draw", "[2, 5]", "--layer", "1")
    assert main("parse", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    said = capsys.readouterr()
    for name in ("left-branching", "binary oracle", "layer 1, shen2018", "layer 2, between_words", "mean of layers"):
        assert name in said.out
    assert said.out.index("right-branching") < said.out.index("layer 1"), "baselines stand above the layers"
    files = {path.name for path in tmp_path.iterdir()}
    trees = {f"{layer}.{builder}.txt" for layer in ("layer_1", "layer_2", "mean_of_layers")
             for builder in ("shen2018", "between_words")}  # fmt: skip
    pictures = {f"sentence_{number}.{kind}" for number in (2, 5) for kind in ("svg", "png", "pdf")}
    assert files == trees | pictures | {
        "gold.txt",
        "scores.csv",
        "words.csv",
        "constituents.csv",
        "source.json",
        WRITTEN,
    }

    gold, predicted = read_trees(tmp_path / "gold.txt"), read_trees(tmp_path / "layer_2.between_words.txt")
    assert len(gold) == 40
    model = loaded(trained)
    for sentence, tree in zip(gold, predicted, strict=True):
        (distances,) = model.distances([sentence.words])
        assert tree.words == sentence.words
        assert tree.tree == build_tree(distances[1].tolist(), "between_words")
    with open(tmp_path / "scores.csv") as file:
        rows = {row["name"]: row for row in csv.DictReader(file) if not row["max_words"]}
    expected = score([sentence.tree for sentence in predicted], gold).sentence_f1
    assert float(rows["layer 2, between_words"]["sentence_f1"]) == pytest.approx(expected)


@pytest.mark.filterwarnings("always")
def test_a_treebank_of_the_users(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--treebank", "bank", "--output", str(tmp_path))
    assert main("parse", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    said = capsys.readouterr()
    assert "bank is not the Penn Treebank" in said.err
    assert next(line for line in said.out.splitlines() if "treebank in" in line).endswith("bank, all")  # in one line
    assert (tmp_path / "gold.txt").read_text() == "((the cat) (sees (a red dog)))\n((the dog) sleeps)\nyes\n"


def test_a_collapsed_model_is_told(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = torch.load(trained / RUN / "best.ckpt", weights_only=True)
    for name, value in checkpoint["state_dict"].items():
        if name.startswith("net."):
            value.zero_()
    torch.save(
        {"state_dict": checkpoint["state_dict"], **{k: checkpoint[k] for k in ("vocabulary",)}}, tmp_path / "c.ckpt"
    )
    arguments = ("--ckpt_path", str(tmp_path / "c.ckpt"), "--output", str(tmp_path))
    assert main("parse", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    said = capsys.readouterr().out
    (layer_1,) = re.findall(r"layer 1: equal distances in (\d+) of 40 sentences, of all words in (\d+);", said)
    assert layer_1[0] == layer_1[1]
    long = [s for s in read_trees(tmp_path / "gold.txt") if len(s.words) > 2]
    assert int(layer_1[0]) == len(long)
    assert main("parse", *CONFIG, "--output", str(tmp_path / "b"), monkeypatch=monkeypatch, cwd=trained) == 0
    assert "equal distances" not in capsys.readouterr().out


@pytest.mark.filterwarnings("always")
def test_a_sentence_of_ones_own(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--text", "The old CAT sees 3 gnus.", "--output", str(tmp_path))
    assert main("parse", *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 0
    said = capsys.readouterr()
    assert "read as <unk>: 3, gnus" in said.err
    words = ("the", "old", "cat", "sees", "3", "gnus")
    trees = re.findall(r"^layer \d: (.*)$", said.out, re.MULTILINE)
    assert len(trees) == 2
    assert tuple(trees[0].replace("(", " ").replace(")", " ").split()) == words
    assert {path.name for path in tmp_path.iterdir()} == {"text.svg", "text.png", "text.pdf", WRITTEN}


@pytest.mark.parametrize(("name", "arguments"), [("gold.txt", ()), ("text.svg", ("--text", "the cat sees"))])
def test_files_of_the_user_s_are_not_replaced(
    trained: Path,
    tmp_path: Path,
    name: str,
    arguments: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / name).write_text("mine")
    command = ("parse", *CONFIG, *arguments, "--output", str(tmp_path))
    assert main(*command, monkeypatch=monkeypatch, cwd=trained) == 2
    assert f"{tmp_path / name} is there already, and no command of this program wrote it" in capsys.readouterr().err
    assert {path: path.read_text() for path in tmp_path.iterdir()} == {tmp_path / name: "mine"}


def test_perplexity_beside_the_optimum(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for checkpoint in ([], ["--ckpt_path", "best"], ["--ckpt_path", str(RUN / "best.ckpt")]):
        assert main("test", *CONFIG, *checkpoint, monkeypatch=monkeypatch, cwd=trained) == 0
        said.append(re.findall(r"(test_perplexity\w*)\W+([\d.]+)", capsys.readouterr().out))
    assert said[0] == said[1] == said[2]
    found = {name: float(value) for name, value in said[0]}
    assert 1 < found["test_perplexity_optimal"] < found["test_perplexity_exact"] < 11
    left = {path.name for path in trained.iterdir()}
    assert not left & {"config.yaml", "wandb", "lightning_logs"}, "what only measures leaves nothing behind"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--text", "cat"], r"--text has 1 word; a tree needs two"),
        (["--text", "."], r"--text has 0 words"),
        (["--text", "a \udcff cat"], r"the argument a \\udcff cat has the character \\udcff, which is no text"),
        (["--text", "a cat", "--layer", "3"], r"--layer is 3.*layers 1 to 2"),
        (["--layer", "0"], r"--layer is 0.*layers 1 to 2"),
        (["--split", "wsj10"], r"--split is 'wsj10', but no treebank is given"),
        (["--draw", "[41]"], r"--draw names sentence 41.*1 to 40"),
        (["--builder", "greedy"], r"--builder is 'greedy'.*shen2018, between_words"),
        (["--treebank", "nowhere"], r"nowhere: no such folder"),
        (["--treebank", "bank", "--split", "dev"], r"no split 'dev'.*all, short"),
        (["--experiment", "other"], r"runs/other/seed_0/best\.ckpt: no such file"),
        (["--ckpt_path", "tree.yaml"], r"tree\.yaml: not a checkpoint"),
        (["--ckpt_path", "code.ckpt"], r"code\.ckpt: holds code.*not opened"),
        (["--ckpt_path", "empty.ckpt"], r"empty\.ckpt: not a checkpoint"),
        (["--ckpt_path", "bank"], r"bank: not a readable file"),
        (["--ckpt_path", "list.ckpt"], r"list\.ckpt: not a checkpoint of Lightning's"),
        (
            ["--model.net.layer_sizes", "[8, 8]"],
            r"layer_sizes is \[8, 8\] on the command line and \[12, 8\] in runs/tree/seed_0/best\.ckpt; leave it out",
        ),
        (["--data", "datamodules.PTB", "--data.data_dir", "nowhere"], r"nowhere"),
    ],
)
@pytest.mark.filterwarnings("ignore:bank is not the Penn Treebank:UserWarning")
def test_one_line_for_a_mistake(
    trained: Path,
    arguments: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Code:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (trained / "witness",)

    torch.save({"state_dict": {}, "more": Code()}, trained / "code.ckpt", pickle_module=pickle)
    torch.save([1], trained / "list.ckpt")
    (trained / "empty.ckpt").write_bytes(b"")
    download = ["--data.download", "false"] if "datamodules.PTB" in arguments else []
    code = main("parse", *CONFIG, *arguments, *download, monkeypatch=monkeypatch, cwd=trained)
    said = capsys.readouterr().err
    assert code == 2, said
    assert len(said.splitlines()) == 1, said
    assert re.search(says, said), said
    assert not (trained / "witness").exists(), "code of a checkpoint was run"


def test_words_of_another_model(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "copy")
    grammar = tmp_path / "copy" / "tiny.pcfg"
    grammar.write_text(grammar.read_text().replace('"mat"', '"rug"'))
    arguments = ("test", *CONFIG, "--ckpt_path", str(RUN / "best.ckpt"))
    assert main(*arguments, monkeypatch=monkeypatch, cwd=tmp_path / "copy") == 2
    assert "vocabulary" in capsys.readouterr().err
    resumed = main("fit", *CONFIG, "--trainer.max_epochs", "2", monkeypatch=monkeypatch, cwd=tmp_path / "copy")
    assert resumed == 2
    assert "was begun with other data (grammar: SHA-256 " in capsys.readouterr().err


@pytest.mark.parametrize("command", ["test", "validate", "predict", "fit"])
def test_a_checkpoint_of_another_model(
    command: str, trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--ckpt_path", str(RUN / "best.ckpt"), "--model.net.layer_sizes", "[8, 8]", "--runs", "other")
    assert main(command, *CONFIG, *arguments, monkeypatch=monkeypatch, cwd=trained) == 2
    said = capsys.readouterr().err
    if command == "fit":  # which may begin from another model's checkpoint as long as the shapes are the same
        assert re.search(r"best\.ckpt: .* of another model: .* there and .* here", said), said
    else:
        assert "layer_sizes is [8, 8] on the command line and [12, 8] in runs/tree/seed_0/best.ckpt; leave it" in said
    assert len(said.splitlines()) == 1


def test_parse_refuses_other_words_than_the_datas(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "copy")
    grammar = tmp_path / "copy" / "tiny.pcfg"
    grammar.write_text(grammar.read_text().replace('"mat"', '"rug"'))
    assert main("parse", *CONFIG, monkeypatch=monkeypatch, cwd=tmp_path / "copy") == 2
    assert "the vocabulary of the data is not the one this model knows" in capsys.readouterr().err


@pytest.mark.parametrize("vocabulary", [3, {"words": ["<eos>", "a"]}, {"words": ["<eos>", "a"], "sha256": "zzz"}])
def test_a_vocabulary_that_is_none(
    trained: Path,
    tmp_path: Path,
    vocabulary: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    checkpoint = torch.load(trained / RUN / "best.ckpt", weights_only=True)
    torch.save(checkpoint | {"vocabulary": vocabulary}, tmp_path / "other.ckpt")
    arguments = ("parse", *CONFIG, "--ckpt_path", str(tmp_path / "other.ckpt"))
    assert main(*arguments, monkeypatch=monkeypatch, cwd=trained) == 2
    said = capsys.readouterr().err
    assert "the checkpoint" in said
    assert len(said.splitlines()) == 1


def test_full_stops_that_belong_to_words_stay() -> None:
    known = Vocabulary(["<eos>", "<unk>", "mr.", "u.s.", "&", "rose", "N"])
    assert words_of('"Mr. Foo & Co. rose 10.5 % in the U.S. ."', known) == [
        *("mr.", "foo", "&", "co", "rose", "N", "%", "in", "the", "u.s."),
    ]


def test_two_tree_files(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("((the cat) sees)\n(a (b (c d)))\n")
    (tmp_path / "b.txt").write_text("((the cat) sees)\n((a b) (c d))\n")
    assert main("parse", "--score", "a.txt", "b.txt", monkeypatch=monkeypatch, cwd=tmp_path) == 0
    # By hand: sentence 1 agrees; of sentence 2's two brackets one does.
    assert f"{100 * (1 + 1 / 2) / 2:.1f}" in capsys.readouterr().out
    (tmp_path / "b.txt").write_text("((the cat) sees)\n((a b) (c e))\n")
    assert main("parse", "--score", "a.txt", "b.txt", monkeypatch=monkeypatch, cwd=tmp_path) == 2
    assert math.isclose(capsys.readouterr().err.count("\n"), 1)
