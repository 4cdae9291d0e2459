import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.commands.score import main
from app.common.errors import UserError
from app.parsing import score
from app.parsing.tree_files import read_trees

REPOSITORY = Path(__file__).resolve().parents[2]
GOLD = "((the cat) (sat (on (the mat))))\nyes\n(a b (c d))\n(a b c d e f g h i (j k))\n"
PREDICTED = "(the (cat (sat (on (the mat)))))\nyes\n(a (b (c d)))\n((a b c d e f g h i) (j k))\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "predicted.txt", tmp_path / "gold.txt"
    for path, text in zip(paths, (PREDICTED, GOLD), strict=True):
        path.write_text(text)
    return paths


def test_every_measure_is_printed_at_both_lengths(files, capsys):
    predicted, gold = map(read_trees, files)
    main(["--score", *map(str, files)])
    head, _, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[-5:] == ["all", "at", "most", "10", "words"]
    table = {line.split()[0]: line.split()[-2:] for line in lines}
    trees = [sentence.tree for sentence in predicted]
    both = score(trees, gold), score(trees, gold, max_words=10)
    for measure in ("sentence_f1", "sentence_f1_kim", "corpus_f1", "corpus_f1_root"):
        assert table.pop(measure) == [f"{100 * getattr(scores, measure):.1f}" for scores in both]
    assert table.pop("depth") == [f"{scores.depth:.1f}" for scores in both]
    assert table.pop("sentences") == ["4", "3"]
    assert table == {}


def test_the_first_file_is_the_prediction(files, capsys):
    main(["--score", *map(str, files)])
    ours = capsys.readouterr().out
    main(["--score", *map(str, reversed(files))])
    theirs = capsys.readouterr().out
    assert [line for line in ours.splitlines() if "f1" in line] == [
        line for line in theirs.splitlines() if "f1" in line
    ]
    depths = [next(line for line in out.splitlines() if "depth (" in line).split()[-2] for out in (ours, theirs)]
    assert depths == [f"{mean:.1f}" for mean in map(mean_depth, (PREDICTED, GOLD))]


def mean_depth(text: str) -> float:
    """Brackets open at each word, mean over words, then over lines."""
    means = []
    for line in text.splitlines():
        before = [line[: word.start()] for word in re.finditer("[^() ]+", line)]
        means.append(sum(part.count("(") - part.count(")") for part in before) / len(before))
    return sum(means) / len(means)


LABELLED = """( (S (NP-SBJ (DT the) (NN cat)) (VP (VBD sat) (PP (IN on) (NP (DT the) (NN mat))))) )
(INTJ (UH yes))
(S (X a) (X b) (NP (X c) (X d)))
(S (X a) (X b) (X c) (X d) (X e) (X f) (X g) (X h) (X i) (NP (X j) (X k)))
"""


def test_labels_are_no_words(files, capsys):
    predicted, gold = files
    main(["--score", str(predicted), str(gold)])
    plain = capsys.readouterr().out
    gold.write_text(LABELLED)
    main(["--score", str(predicted), str(gold)])
    said, rest = capsys.readouterr().out.split("\n", 1)
    assert said == f"{gold}: labels are not words; every other word counts, punctuation too"
    assert rest == plain


def refused(argv: list[str]) -> str:
    with pytest.raises(UserError) as caught:
        main(argv)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (PREDICTED.replace("yes", "no"), "line 2: not the sentence in line 2 of {gold}: word 1 is 'no' here and 'yes'"),
        (
            PREDICTED.replace("(c d)", "(c e)"),
            "line 3: not the sentence in line 3 of {gold}: word 4 is 'e' here and 'd'",
        ),
        (
            PREDICTED.replace("(c d)", "c"),
            "line 3: not the sentence in line 3 of {gold}: it has 3 words here and 4 there",
        ),
        (
            PREDICTED.replace("cat ", "cat cat "),
            "line 1: not the sentence in line 1 of {gold}: word 3 is 'cat' here and",
        ),
        ("yes\n" + PREDICTED, "line 1: not the sentence in line 1 of {gold}: word 1 is 'yes' here and 'the' there"),
        (PREDICTED + "yes\n", "{gold}: ends before line 5, which {predicted} has"),
        (PREDICTED.replace("yes\n", "") + "yes\n", "line 2: not the sentence in line 2 of {gold}"),
        ("".join(PREDICTED.splitlines(keepends=True)[:3]), "{predicted}: ends before line 4, which {gold} has"),
        ("", "{predicted}: the file is empty"),
        (PREDICTED.replace("yes", ""), "{predicted}, line 2: the line is empty"),
        (PREDICTED.replace("yes", "(yes"), "{predicted}, line 2: 1 of the brackets opened are never closed"),
    ],
)
def test_other_sentences_are_refused_with_the_first_line_that_differs(files, changed, said):
    predicted, gold = files
    predicted.write_text(changed)
    assert said.format(predicted=predicted, gold=gold) in refused(["--score", str(predicted), str(gold)])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "the following arguments are required: --score"),
        (["--score", "a.txt"], "expected 2 arguments"),
        (["--score", "a.txt", "b.txt", "--colour"], "unrecognized arguments: --colour"),
        (["--score", "a.txt", "b.txt"], "a.txt: cannot be read"),
    ],
)
def test_a_wrong_command_line_is_refused(argv, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in refused(argv)


def test_help_is_not_a_mistake(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "--score PREDICTED GOLD" in capsys.readouterr().out


def test_it_starts_without_torch():
    program = "import sys, app.commands.score; print(*{'torch', 'lightning', 'wandb'} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ran.stdout == "\n"
