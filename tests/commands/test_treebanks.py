"""The treebanks of docs/treebanks, ten invented sentences each: a tiny model is trained, parses them and is scored."""

import csv
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from helpers.command import REPOSITORY, in_process

from app.parsing.tree_files import read_trees

DOCUMENT = (REPOSITORY / "docs/trees.md").read_text()
TREES = {
    "chinese": """
        (小猫 ((在 (桌子 上)) 睡觉))
        (老师 (昨天 (买 了 ((三 本) 书))))
        (他 (想 (去 北京)))
        (((((我 妹妹) 写) 的) 信) (很 长))
        ((((春天 的) 花园) (非常 漂亮)) (孩子们 喜欢))
        (医生 (把 (药 (给 了 病人))))
        (门 (被 (风 ((吹 开) 了))))
        (你 ((喝 茶) 还是 (喝 咖啡)))
        (((这 个) 故事) (是 真 的))
        ((如果 下雨) 我们 (就 (在 家) (看 电影)))
        """,
    "german": """
        ((Der Hund) schläft (unter dem alten Tisch))
        ((Die Lehrerin) hat (gestern (drei Bücher) gekauft))
        (Bücher hat er viele gelesen)
        ((Der Mann (der laut lacht)) ist Arzt)
        (Ein Kind kam herein (das niemand kannte))
        ((Im Garten) blühen (rote Rosen))
        (Wir fahren morgen (mit dem Zug) (nach Berlin))
        (((Das Auto) gewaschen) hat (der Vater))
        ((Ob es regnet) weiß keiner)
        (Kauft ihr (Äpfel oder Birnen))
        """,
}


@pytest.fixture(scope="module", params=TREES)
def parsed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The language, and the directory of its run, whose trees are in parse/."""
    directory = tmp_path_factory.mktemp(request.param)
    command = ("--config", f"docs/treebanks/{request.param}.yaml", "--runs", str(directory))
    done(in_process("fit", *command, "--trainer.max_epochs", "1", cwd=REPOSITORY))
    return request.param, directory / request.param / "seed_0"


def done(process: "CompletedProcess[str]") -> str:
    assert process.returncode == 0, process.stderr
    return process.stdout + process.stderr


@pytest.fixture(scope="module")
def said(parsed: tuple[str, Path]) -> str:
    language, run = parsed
    command = ("--treebank", f"docs/treebanks/{language}", "--draw", "[3]")
    return done(in_process("parse", str(run), *command, cwd=REPOSITORY))


def test_the_trees_are_those_that_were_written(parsed: tuple[str, Path], said: str) -> None:
    language, run = parsed
    written = (run / "parse/gold.txt").read_text()
    assert written.split("\n")[:-1] == [line.strip() for line in TREES[language].strip().split("\n")]
    assert (REPOSITORY / f"docs/treebanks/{language}.txt").read_text() == re.sub("[()]", "", written)
    assert "Glyph" not in said


def test_what_is_printed_is_what_the_document_shows(parsed: tuple[str, Path], said: str) -> None:
    """Whatever does not depend on what the model has learnt."""
    (notice,) = re.findall(r"warning: (docs/treebanks.*)", said)
    assert notice in DOCUMENT
    branching = [" ".join(line.split()) for line in said.split("\n") if "branching" in line]
    assert len(branching) == 2
    shown = [" ".join(line.split()) for line in DOCUMENT.split("\n")]
    assert set(branching) <= set(shown)


def test_the_run_has_uf1_of_each_validation(parsed: tuple[str, Path]) -> None:
    _, run = parsed
    with open(run / "metrics.csv") as file:
        (row,) = csv.DictReader(file)
    assert 0 <= float(row["uf1_layer_1"]) <= 100


def test_other_commands_read_the_trees(parsed: tuple[str, Path], said: str, tmp_path: Path) -> None:
    language, run = parsed
    agreed = done(in_process("agree", f"{run}/parse", f"{run}/parse", "--output", str(tmp_path / "a"), cwd=tmp_path))
    assert "everything" in agreed
    done(in_process("report", str(run.parent), cwd=tmp_path))
    page = (run.parent / "report/report.html").read_text()
    assert read_trees(run / "parse/gold.txt")[0].words[0] in page
    assert f"Gold trees: treebank in docs/treebanks/{language}, all (10 sentences)." in page


def test_the_options_of_a_treebank(parsed: tuple[str, Path], tmp_path: Path) -> None:
    language, run = parsed
    bank = ("--treebank", f"docs/treebanks/{language}", "--output", str(tmp_path), "--draw", "[3]")
    options = ("--punctuation", "true", "--lower_case", "true", "--tags", "{punctuation: [PU, $., '$,']}")
    done(in_process("parse", str(run), *bank, *options, cwd=REPOSITORY))
    first = read_trees(tmp_path / "gold.txt")[0].words
    assert first == {"chinese": ("小猫", "在", "桌子", "上", "睡觉", "。")}.get(
        language, ("der", "hund", "schläft", "unter", "dem", "alten", "tisch", ".")
    )
    refused = in_process("parse", str(run), "--tags", "ctb", cwd=REPOSITORY)
    assert refused.returncode == 2
    assert "are for --treebank, and none is given" in refused.stderr
