"""`parse`, `syntax` and `test` of all networks of a lottery: the same as of each, resumed, in one table."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.command import in_process
from helpers.tiny_grammar import write_tiny_grammar

from app.runs.layout import NetworkKey, RunLayout

RUN = "runs/tree"
KEYS = (NetworkKey(0, "dense", 0), NetworkKey(0, "iterative", 1), NetworkKey(0, "iterative", 2))
PAIRS = "the cat sees a dog\tthe cat a sees dog\nthe old mat likes the dog\tthe mat old likes the dog\n"


@pytest.fixture(scope="module")
def lottery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small lottery of a language model in runs/."""
    directory = tmp_path_factory.mktemp("lottery")
    write_tiny_grammar(directory)
    (directory / "pairs.tsv").write_text(PAIRS)
    options = ("--pruning.rounds", "2", "--pruning.random_mask", "1", "--trainer.logger", "false")
    done = in_process("lottery", "--config", "tree.yaml", *options, cwd=directory)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture
def copy(lottery: Path, tmp_path: Path) -> Path:
    shutil.copytree(lottery, tmp_path, dirs_exist_ok=True)
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    with open(path) as file:
        return list(csv.DictReader(file))


def of(table: list[dict[str, str]], key: NetworkKey) -> list[dict[str, str]]:
    named = {"replicate": str(key.replicate), "method": key.method, "round": str(key.round), "branch": str(key.branch)}
    return [row for row in table if named.items() <= row.items()]


def done(*arguments: str, cwd: Path) -> str:
    result = in_process(*arguments, cwd=cwd)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize(
    ("command", "options"), [("parse", []), ("syntax", ["--pairs", "pairs.tsv"]), ("test", [])], ids=lambda each: each
)
def test_every_network_has_the_scores_that_it_has_alone(command: str, options: list[str], copy: Path) -> None:
    said = done(command, RUN, *options, cwd=copy)
    assert "5/5" in said
    run = RunLayout(copy / RUN)
    table = rows(run.root / command / "scores.csv")
    assert len({(row["method"], row["round"]) for row in table}) == 5
    for key in KEYS[:2]:
        network = run.network(key).root
        mine = rows(network / command / "scores.csv")
        found = of(table, key)
        kept = [row for row in mine if command != "parse" or row["name"].startswith(("layer", "mean"))]
        assert [{name: row[name] for name in kept[0]} for row in found] == kept
        assert {row["density"] for row in found} == {str(json.loads((network / "report.json").read_text())["density"])}
        if command == "test":
            shown = done("test", f"{RUN}/{key.path}", cwd=copy)
            assert f"{float(mine[0]['test_loss']):.8f}" in shown or f"{float(mine[0]['test_loss']):.6f}" in shown
            continue
        done(command, f"{RUN}/{key.path}", *options, "--output", str(copy / "alone"), cwd=copy)
        alone = rows(copy / "alone" / "scores.csv")
        ours = [{name: cell for name, cell in row.items() if name != "model"} for row in mine]
        assert ours == [{name: cell for name, cell in row.items() if name != "model"} for row in alone]


def test_it_goes_on_where_it_was_stopped(copy: Path) -> None:
    done("parse", RUN, cwd=copy)
    run = RunLayout(copy / RUN)
    table = run.root / "parse/scores.csv"
    before = table.read_bytes()
    folders = [run.network(key).root / "parse" for key in KEYS]
    kept = (folders[0] / "scores.csv").stat().st_mtime_ns
    (folders[1] / "made_from.json").unlink()  # as where it was killed before it was done with this network
    (folders[2] / "scores.csv").write_text("damaged\n")
    said = done("parse", RUN, cwd=copy)
    assert "3 networks of 5 measured already" in said
    assert "2/2" in said
    assert table.read_bytes() == before
    assert (folders[0] / "scores.csv").stat().st_mtime_ns == kept


def test_other_options_or_weights_are_measured_again(copy: Path) -> None:
    done("parse", RUN, cwd=copy)
    assert "5/5" in done("parse", RUN, "--treebank", "bank", cwd=copy)
    assert {row["sentences"] for row in rows(copy / RUN / "parse/scores.csv")} == {"3"}
    final = RunLayout(copy / RUN).network(KEYS[1])
    report = json.loads(final.report.read_text())
    other = RunLayout(copy / RUN).network(KEYS[2])
    shutil.copy(other.final, final.final)
    report["checksums"]["final"] = json.loads(other.report.read_text())["checksums"]["final"]
    final.report.write_text(json.dumps(report))
    assert "4 networks of 5 measured already" in done("parse", RUN, "--treebank", "bank", cwd=copy)


def test_what_was_measured_of_other_sentences_or_batches_is_measured_again(copy: Path) -> None:
    """A file may have been changed, and a first try may have been on a few batches."""
    done("syntax", RUN, "--pairs", "pairs.tsv", cwd=copy)
    (copy / "pairs.tsv").write_text(PAIRS.splitlines()[0] + "\n")
    assert "5/5" in done("syntax", RUN, "--pairs", "pairs.tsv", cwd=copy)
    assert {row["items"] for row in rows(copy / RUN / "syntax/scores.csv")} == {"1"}
    assert "5 networks of 5 measured already" in done("syntax", RUN, "--pairs", "pairs.tsv", cwd=copy)
    done("test", RUN, "--trainer.limit_test_batches", "1", cwd=copy)
    table = (copy / RUN / "test/scores.csv").read_text()
    assert "5/5" in done("test", RUN, cwd=copy)
    assert (copy / RUN / "test/scores.csv").read_text() != table


def test_trees_of_a_sentence_at_several_densities(copy: Path) -> None:
    said = done("parse", RUN, "--draw", "[2]", "--layer", "1", cwd=copy)
    assert f"drawn: {RUN}/parse/sentence_2.svg" in said
    text = (copy / RUN / "parse/sentence_2.svg").read_text()
    assert text.count("of weights") == 3
    assert "layer 1, shen2018, replicate 0, iterative" in text


def test_networks_that_are_left_out(copy: Path) -> None:
    run = RunLayout(copy / RUN)
    run.network(KEYS[1]).final.unlink()
    run.network(KEYS[2]).done.unlink()
    said = done("test", RUN, cwd=copy)
    assert "left out: 1 network not finished" in said
    assert "left out: 1 network without trained weights" in said
    assert not of(rows(run.root / "test/scores.csv"), KEYS[1])


def test_networks_without_weights(copy: Path) -> None:
    for path in (copy / RUN).rglob("final.safetensors"):
        path.unlink()
    result = in_process("parse", RUN, cwd=copy)
    assert result.returncode == 2
    assert "no finished network with trained weights in it; run the lottery further" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["parse", "--text", "the cat sees"], "--text is for one network, and runs/tree is a lottery"),
        (["syntax", "--output", "here"], "--output is for one network, and runs/tree is a lottery"),
        (["test", "--ckpt_path", "best"], "--ckpt_path names one network, and runs/tree is a lottery"),
        (["parse", "--layer", "7"], "--layer is 7; this model has layers 1 to 2"),
        (["parse", "--draw", "[99]"], "--draw names sentence 99; the treebank has sentences 1 to 40"),
        (["test", "--model.init_args.alpha", "3"], "model.init_args.alpha is 3.0 on the command line and 0.0 in"),
    ],
)
def test_what_is_refused_in_one_line(copy: Path, arguments: list[Any], says: str) -> None:
    command, *options = arguments
    result = in_process(command, RUN, *options, cwd=copy)
    assert result.returncode == 2
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr


def test_every_network_has_a_choice_of_its_own(copy: Path) -> None:
    said = done("parse", RUN, "--choose_on", "10", cwd=copy)
    assert "each network's layer and builder are chosen on the first 10 sentences" in said
    run = RunLayout(copy / RUN)
    table = rows(run.root / "parse/chosen.csv")
    assert len(table) == 5
    for key in KEYS:
        (row,) = of(table, key)
        network = run.network(key)
        mine = rows(network.root / "parse/chosen.csv")
        best = max(float(each["validation_sentence_f1"]) for each in mine)
        assert float(row["validation_sentence_f1"]) == best
        tested = {
            each["name"]: each["sentence_f1"]
            for each in rows(network.root / "parse/scores.csv")
            if not each["max_words"]
        }
        assert tested[f"{row['layer']}, {row['builder']}"] == row["sentence_f1"]
        assert f"UF1 {100 * float(row['sentence_f1']):.1f} % of {row['layer']}, {row['builder']}" in said
    alone = done("parse", f"{RUN}/{KEYS[0].path}", "--choose_on", "10", "--output", str(copy / "alone"), cwd=copy)
    assert f"chosen on the first 10 sentences: {table[0]['layer']}, {table[0]['builder']}, with UF1" in alone
    assert rows(copy / "alone/chosen.csv") == rows(run.network(KEYS[0]).root / "parse/chosen.csv")
    assert "5 networks of 5 measured already" in done("parse", RUN, "--choose_on", "10", cwd=copy)
    assert "Grammar" in json.loads((run.root / "parse/source.json").read_text())["source"]
    done("parse", RUN, cwd=copy)
    assert not list(run.root.rglob("chosen.csv"))
