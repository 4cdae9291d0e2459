"""`agree`: tables and trees of several predictions; and one line for every mistake."""

import csv
from pathlib import Path
from statistics import fmean, stdev

import pytest
from test_parse import main

from app.parsing import score
from app.parsing.agreement import agreed_tree, self_f1
from app.parsing.sentence_tables import read_source, source_json
from app.parsing.tree_files import read_trees

GOLD = ["((the cat) (sees (a dog)))", "(the (old dog))", "yes"]
SEEDS = {
    "seed_0": {
        "layer_1.shen2018": ["(the (cat (sees (a dog))))", "(the (old dog))", "yes"],
        "layer_2.shen2018": ["((the cat) ((sees a) dog))", "((the old) dog)", "yes"],
        "layer_1.between_words": ["((the (cat sees)) (a dog))", "(the (old dog))", "yes"],
    },
    "seed_1": {
        "layer_1.shen2018": ["((the cat) (sees (a dog)))", "((the old) dog)", "yes"],
        "layer_2.shen2018": ["(((the cat) sees) (a dog))", "(the (old dog))", "yes"],
    },
}


@pytest.fixture
def parsed(tmp_path: Path) -> Path:
    """Directories as parse writes them, and a file of other sentences."""
    for seed, files in SEEDS.items():
        (tmp_path / seed).mkdir()
        for name, lines in (files | {"gold": GOLD}).items():
            (tmp_path / seed / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    (tmp_path / "other.txt").write_text("(a dog)\n(b c)\nyes\n")
    (tmp_path / "steps").write_text("0 0 1\n0 0 0 1 1\n0\n")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_seeds_layers_and_builders_are_grouped(
    parsed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("agree", "seed_0", "seed_1", monkeypatch=monkeypatch, cwd=parsed) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    gold = read_trees(parsed / "seed_0/gold.txt")
    files = {
        (seed, name): [sentence.tree for sentence in read_trees(parsed / seed / f"{name}.txt")]
        for seed, names in SEEDS.items()
        for name in names
    }
    groups = {
        "layer_1.shen2018": [("seed_0", "layer_1.shen2018"), ("seed_1", "layer_1.shen2018")],
        "layer_1.between_words": [("seed_0", "layer_1.between_words")],
        "everything.shen2018": [key for key in files if key[1].endswith("shen2018")],
        "everything": list(files),
    }
    with open(parsed / "agreement/agreement.csv") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert len(rows) == 6
    for name, keys in groups.items():
        voters = [files[key] for key in keys]
        trees = [agreed_tree(each) for each in zip(*voters, strict=True)]
        written = [sentence.tree for sentence in read_trees(parsed / f"agreement/{name}.txt")]
        assert written == trees
        f1 = [score(each, gold).sentence_f1 for each in voters]
        row = rows[name]
        assert float(row["mean"]) == pytest.approx(fmean(f1))
        assert float(row["max"]) == pytest.approx(max(f1))
        assert float(row["agreement"]) == pytest.approx(score(trees, gold).sentence_f1)
        assert int(row["predictions"]) == len(keys)
        if len(keys) == 1:
            assert (row["sd"], row["self_f1"]) == ("", "")
        else:
            assert float(row["sd"]) == pytest.approx(stdev(f1))
            assert float(row["self_f1"]) == pytest.approx(self_f1(voters))


def test_files_of_anybodys_trees(parsed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ("seed_0/layer_1.shen2018.txt", "seed_1/layer_2.shen2018.txt")
    options = ("--gold", "seed_1/gold.txt", "--output", "out")
    assert main("agree", *files, *options, monkeypatch=monkeypatch, cwd=parsed) == 0
    assert (parsed / "out/everything.txt").exists()


def test_files_of_other_formats(parsed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (parsed / "a.jsonl").write_text(
        '{"tree": [["the", "cat"], ["sees", ["a", "dog"]]]}\n{"tree": ["the", ["old", "dog"]]}\n{"tree": "yes"}\n'
    )
    (parsed / "b").write_text("0 0 1 0 0 0 1 1 1\n0 0 0 1 1\n0\n")
    assert main("agree", "a.jsonl", "b", "--gold", "seed_0/gold.txt", monkeypatch=monkeypatch, cwd=parsed) == 0
    assert (parsed / "agreement/everything.txt").read_text().splitlines() == GOLD


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "predictions"),
        (("empty", "seed_0"), "empty: no files of trees"),
        (("seed_0/layer_1.shen2018.txt", "--gold", "seed_0/gold.txt"), "one file of trees agrees with itself"),
        (("seed_0/layer_1.shen2018.txt", "seed_0"), "--gold is missing"),
        (("seed_0", "none.txt"), "none.txt: cannot be read"),
        (("seed_0", "other.txt"), "other.txt, line 1: not the sentence in line 1"),
        (("seed_0", "steps"), "steps, line 1: not the sentence in line 1"),
    ],
)
def test_mistakes_are_one_line(
    parsed: Path,
    arguments: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main("agree", *arguments, monkeypatch=monkeypatch, cwd=parsed) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert not (parsed / "agreement").exists()


def test_whose_trees_they_are_is_said(
    parsed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "treebank in x, dependency subtrees (UD), not constituents, all"
    (parsed / "seed_0/source.json").write_text(source_json(source))
    assert main("agree", "seed_0", "seed_1", monkeypatch=monkeypatch, cwd=parsed) == 0
    assert f"the gold trees are of {source}" in capsys.readouterr().out
    assert read_source(parsed / "agreement/source.json") == source
    score = ("parse", "--score", "seed_1/layer_1.shen2018.txt", "seed_0/gold.txt", "--output", "scores")
    assert main(*score, monkeypatch=monkeypatch, cwd=parsed) == 0
    assert f"the gold trees are of {source}" in capsys.readouterr().out
    assert read_source(parsed / "scores/source.json") == source


def test_a_place_where_nothing_can_be_written_is_refused_first(
    parsed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (
        ("agree", "seed_0", "seed_1", "--output", "other.txt/new"),
        ("parse", "--score", "seed_1/layer_1.shen2018.txt", "seed_0/gold.txt", "--output", "other.txt/new"),
    ):
        assert main(*command, monkeypatch=monkeypatch, cwd=parsed) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert "other.txt/new: no place to write (other.txt is no directory); choose another with --output" in err


def test_those_that_are_best_on_the_first_sentences_agree_on_the_others(
    parsed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("agree", "seed_0", "seed_1", "--choose_on", "1", monkeypatch=monkeypatch, cwd=parsed) == 0
    said = capsys.readouterr().out
    assert "chosen on the first 1 sentences; UF1 of the other 2" in said
    assert "best_of.everything.between_words  " in said
    with open(parsed / "agreement/agreement.csv") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    # On the first sentence only layer 1 of seed 1 is as the gold tree; on the second it is wrong.
    best = rows["best_of.everything"]
    assert (best["predictions"], float(best["agreement"])) == ("1", 0.5)
    assert len(read_trees(parsed / "agreement/best_of.everything.txt")) == 2
    names = {"best_of.everything", "best_of.everything.shen2018", "best_of.everything.between_words"}
    assert {name for name in rows if name.startswith("best_of")} == names
    for number in ("0", "3"):
        assert main("agree", "seed_0", "seed_1", "--choose_on", number, monkeypatch=monkeypatch, cwd=parsed) == 2
        assert f"--choose_on is {number}; it must leave some of the 3 sentences" in capsys.readouterr().err
