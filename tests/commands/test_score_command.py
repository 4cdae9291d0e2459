import csv
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from app.commands.score import main
from app.common.errors import UserError
from app.parsing import score
from app.parsing.bootstrap import paired_bootstrap
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
    said = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert said[:2] == [f"{path}: 4 trees, unlabelled" for path in files]
    head, _, *lines = said[2:]
    assert head.split()[-5:] == ["all", "at", "most", "10", "words"]
    table = {line.split()[0]: line.split()[-2:] for line in lines}
    trees = [sentence.tree for sentence in predicted]
    both = score(trees, gold), score(trees, gold, max_words=10)
    for measure in ("sentence_f1", "sentence_f1_kim", "corpus_f1", "corpus_f1_root"):
        assert table.pop(measure) == [f"{100 * getattr(scores, measure):.1f}" for scores in both]
    assert table.pop("evalb") == [f"{100 * scores.corpus_f1_root:.1f}" for scores in both]
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
    assert [line for line in ours.splitlines() if "evalb" in line]
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
    plain = capsys.readouterr().out.split("\n\n")
    gold.write_text(LABELLED)
    main(["--score", str(predicted), str(gold), "--words_only"])
    measures, labels, lengths, sentences = capsys.readouterr().out.split("\n\n")
    assert f"{gold}: 4 trees, labelled" in measures
    assert f"{gold}: 0 of 22 words are punctuation by their tags (no tag set), and left out" in measures
    # evalb counts the brackets over single words, of the labelled file.
    assert [line for line in measures.splitlines()[3:] if "evalb" not in line] == [
        line for line in plain[0].splitlines()[2:] if "evalb" not in line
    ]
    assert [lengths, sentences] == plain[1:]
    assert [line.split() for line in labels.splitlines()[2:]] == [
        ["NP", "4", "75.0"],
        ["S", "3", "100"],
        ["PP", "1", "100"],
        ["VP", "1", "100"],
    ]


def refused(argv: list[str]) -> str:
    with pytest.raises(UserError) as caught:
        main(argv)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            PREDICTED.replace("yes", "no"),
            "{predicted}, line 2: not the sentence in line 2 of {gold}, nor another: word 1 is 'no' here and 'yes' "
            "there; --in_common scores the 3 that both have",
        ),
        (
            PREDICTED.replace("(c d)", "(c e)"),
            "line 3: not the sentence in line 3 of {gold}, nor another: word 4 is 'e'",
        ),
        (PREDICTED.replace("(c d)", "c"), "line 3 of {gold}, nor another: it has 3 words here and 4 there"),
        (PREDICTED.replace("cat ", "cat cat "), "line 1 of {gold}, nor another: word 3 is 'cat' here and 'sat' there"),
        (PREDICTED.replace("the", "THE"), "word 1 is 'THE' here and 'the' there; try --match lower"),
        (
            "yes\n" + PREDICTED,
            "{predicted}: 1 of 5 sentences not in {gold}, the first in line 3 (yes); --in_common scores",
        ),
        (
            "".join(PREDICTED.splitlines(keepends=True)[1:]),
            "{predicted}: has no tree for 1 of 4 sentences of {gold}, the first in line 1 (the cat sat on the ...); "
            "--in_common scores the 3 that both have",
        ),
        ("", "{predicted}: the file is empty"),
        (PREDICTED.replace("yes", ""), "{predicted}, line 2: the line is empty"),
        (PREDICTED.replace("yes", "(yes"), "{predicted}, line 2: 1 of the brackets opened are never closed"),
        ("no\n", "line 1: not the sentence in line 1 of {gold}, nor another: word 1 is 'no' here and 'the' there"),
    ],
)
def test_other_sentences_are_refused_with_the_first_line_that_differs(files, changed, said):
    predicted, gold = files
    predicted.write_text(changed)
    assert said.format(predicted=predicted, gold=gold) in refused(["--score", str(predicted), str(gold)])


def test_sentences_may_be_in_another_order_and_missing(files, capsys):
    predicted, gold = files
    lines = PREDICTED.splitlines()
    main(["--score", *map(str, files), "--output", str(predicted.parent / "all")])
    predicted.write_text(f"{lines[3]}\nelsewhere\n{lines[0]}\n")
    main(["--score", *map(str, files), "--in_common", "--output", str(predicted.parent / "some")])
    said = capsys.readouterr().out
    assert f"{predicted}: 1 of 3 sentences not in {gold}, the first in line 2 (elsewhere); left out" in said
    assert f"{gold}: 2 of 4 sentences not in {predicted}, the first in line 2 (yes); left out" in said
    assert f"{predicted}: the sentences are in another order; they are matched by their words" in said
    whole, part = (rows(predicted.parent / name / "sentences.csv") for name in ("all", "some"))
    assert part == [whole[0], whole[3]]


def rows(path: Path) -> list[dict[str, str]]:
    with open(path) as file:
        return list(csv.DictReader(file))


MARKED = """( (S (NP (DT The) (NN cat)) (VP (VBD saw) (NP (-NONE- *) (CD 1990) (NNS dogs))) (. .)) )
(TOP (S (VP (VB Go) (ADVP (RB home))) (. !)))
"""


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("((The cat) (saw (1990 dogs)) .)\n((Go home) !)\n", "unlabelled"),
        (
            "(NT-1 (T-1 the) (NT-9 (T-3 cat) (NT-1 (T-2 saw) (NT-1 (T-2 N) (T-4 dogs)))))\n(A (B go) (C home))",
            "labelled",
        ),
        ("0 0 1 0 0 0 1 1 1\n0 0 1\n", "transitions"),
    ],
)
def test_punctuation_is_left_out_by_the_tags_of_the_gold_trees(files, text, form, capsys):
    predicted, gold = files
    gold.write_text(MARKED)
    predicted.write_text(text)
    if form == "unlabelled":
        main(["--score", *map(str, files)])
        assert "every word counts, punctuation too" in capsys.readouterr().out
    else:
        said = refused(["--score", *map(str, files)])
        assert "--words_only" in said or form == "transitions"
    output = predicted.parent / "out"
    main(["--score", *map(str, files), "--words_only", "--match", "lower", "--output", str(output)])
    said = capsys.readouterr().out
    assert f"{predicted}: 2 trees, {form}" in said
    assert f"{gold}: 2 of 9 words are punctuation by their tags (the Penn Treebank), and left out" in said
    assert f"{gold}: 1 empty elements (-NONE-) are no words" in said
    assert [row["words"] for row in rows(output / "sentences.csv")] == ["5", "2"]


def test_the_tag_set_may_be_chosen(files, capsys):
    predicted, gold = files
    gold.write_text("(S (NP (DT the) (SYM *)) (VP (VB sat)))\n")
    predicted.write_text("((the *) sat)\n")
    predicted.with_name("own.yaml").write_text("punctuation: [SYM]\n")
    own = str(predicted.with_name("own.yaml"))
    for tags, left_out in (("penn", 0), (own, 1)):
        main(["--score", *map(str, files), "--words_only", "--tags", tags])
        assert f"{gold}: {left_out} of 3 words are punctuation by their tags" in capsys.readouterr().out


def test_a_treebank_as_gold_trees(tmp_path, capsys):
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank/wsj_0001.mrg").write_text(MARKED)
    (tmp_path / "p.txt").write_text("((the cat) (saw (N dogs)))\n(go home)\n")
    main(["--score", str(tmp_path / "p.txt"), str(tmp_path / "bank"), "--match", "lower", "--split", "short"])
    said = capsys.readouterr().out
    assert f"{tmp_path / 'bank'}: 2 trees, treebank in {tmp_path / 'bank'}, short" in said
    assert "is not the Penn Treebank" in said
    table = {line.split()[0]: line.split()[-2] for line in said.split("\n\n")[0].splitlines() if line[:1].isalpha()}
    assert (table["sentence_f1"], table["sentences"]) == ("100", "2")
    assert re.search(r"^NP +2 +100$", said, re.MULTILINE)
    (tmp_path / "p.txt").write_text("(go home)\n(stay home)\n")
    assert "p.txt, line 2: not the sentence in sentence 1 of" in refused(
        ["--score", str(tmp_path / "p.txt"), str(tmp_path / "bank"), "--match", "lower"]
    )


def test_two_predictions(files, capsys):
    predicted, gold = files
    other = predicted.with_name("other.txt")
    other.write_text(GOLD)
    options = ["--compare", str(other), "--samples", "200", "--output", str(predicted.parent / "out")]
    main(["--score", *map(str, files), *options])
    said = capsys.readouterr().out
    assert "predicted.txt minus other.txt, paired bootstrap, 200 samples of 4 sentences" in said
    trees = [[sentence.tree for sentence in read_trees(path)] for path in (predicted, other)]
    expected = paired_bootstrap(*trees, read_trees(gold), samples=200)
    for row in rows(predicted.parent / "out/comparison.csv"):
        found = expected[row.pop("measure")]
        assert {name: float(value) for name, value in row.items()} == asdict(found)
        assert f"{100 * found.difference:+.1f}" in said
    names = {path.name for path in (predicted.parent / "out").glob("*.csv")}
    assert names == {f"{name}.csv" for name in ("scores", "evalb", "labels", "lengths", "sentences", "comparison")}


def test_labels_beside_a_gold_file_of_ours(files, capsys):
    predicted, gold = files
    gold = gold.rename(gold.with_name("of_ours")).rename(gold.with_name("gold.txt"))
    (gold.with_name("constituents.csv")).write_text("sentence,label,start,end\n1,NP-SBJ,1,2\n1,S,1,6\n4,NP,10,11\n")
    main(["--score", str(predicted), str(gold)])
    said = capsys.readouterr().out
    assert [line.split() for line in said.split("\n\n")[1].splitlines()[2:]] == [["NP", "2", "50.0"], ["S", "1", "100"]]
    (gold.with_name("constituents.csv")).write_text("sentence,label,start,end\n2,NP,1,2\n")
    assert "constituents.csv, line 2: not what parse writes" in refused(["--score", str(predicted), str(gold)])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "the following arguments are required: --score"),
        (["--score", "a.txt"], "expected 2 arguments"),
        (["--score", "a.txt", "b.txt", "--colour"], "unrecognized arguments: --colour"),
        (["--score", "a.txt", "b.txt"], "b.txt: cannot be read"),
        (["--score", "p.txt", "p.txt", "--words_only"], "p.txt: has no tags, so that --words_only cannot know"),
        (["--score", "p.txt", "p.txt", "--compare", "r.txt", "--samples", "9"], "--samples is 9; an interval of 95 %"),
        (["--score", "p.txt", "p.txt", "--compare", "p.txt"], "--score and --compare both name p.txt"),
        (["--score", "p.txt", "p.txt", "--compare", "q.txt"], "q.txt, line 1: not the sentence in line 1 of p.txt"),
        (["--score", "p.txt", "p.txt", "--split", "test"], "--split is 'test', but p.txt is a file of trees"),
        (["--score", "p.txt", "p.txt", "--tags", "x", "--words_only"], "--tags is 'x'; expected penn, ontonotes"),
        (["--score", "p.txt", "p.txt", "--seed", "-1"], "--seed is -1; it must be 0 or more"),
        (["--score", "p.txt", "p.txt", "--score_format", "spans"], "p.txt, line 1: not JSON"),
        (
            ["--score", "t.txt", "p.txt"],
            "t.txt, line 1: a tree over 2 words, and the sentence in line 1 of p.txt has 3",
        ),
        (
            ["--score", "q.txt", "t.txt"],
            "q.txt: has 2 trees and t.txt 1; trees that are matched by their order need one",
        ),
    ],
)
def test_a_wrong_command_line_is_refused(argv, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"p": "(a (b c))\n", "q": "(a (b d))\n(b c)\n", "r": "((a b) c)\n", "t": "0 0 1\n"}.items():
        Path(f"{name}.txt").write_text(text)
    assert said in refused(argv)


def test_what_may_be_labels_is_told_where_sentences_differ(tmp_path, capsys):
    (tmp_path / "pred.txt").write_text("((the cat) (saw (a dog)))\n")
    gold = tmp_path / "gold.mrg"
    gold.write_text("(s (np (dt the) (nn cat)) (vp (vbd saw) (np (dt a) (nn dog))))\n")
    with pytest.raises(UserError) as caught:
        main(["--score", str(tmp_path / "pred.txt"), str(gold)])
    assert f"{gold}: does not tell whether its brackets have labels: read as unlabelled" in str(caught.value)
    main(["--score", str(tmp_path / "pred.txt"), str(gold), "--gold_format", "labelled"])
    assert "does not tell" not in capsys.readouterr().out


def test_help_is_not_a_mistake(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "--score PREDICTED GOLD" in capsys.readouterr().out


def test_it_starts_without_torch():
    program = "import sys, app.commands.score; print(*{'torch', 'lightning', 'wandb'} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ran.stdout == "\n"
