"""`python -m app agree`: trees by agreement over seeds and layers, scored beside the trees that they agree on."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from rich.box import SIMPLE_HEAD
from rich.table import Table

from app.commands.progress import progress
from app.commands.score import check_same
from app.commands.tree_file import TreeFile, read_file
from app.common.arguments import Parser
from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.tables import print_table
from app.parsing.agreement import agreed_tree, best_voters, self_f1
from app.parsing.scores import SHORT, score
from app.parsing.sentence_tables import SOURCE, source_json
from app.parsing.table import percent
from app.parsing.tree_files import write_trees
from app.parsing.trees import GoldSentence, Tree
from app.runs.output_directory import check_output, claim_output

GOLD, SCORES = "gold.txt", "agreement.csv"
SUFFIX = ".txt"
OPTION = "--output"
EVERYTHING = "everything"
BEST = "best_of"  # those of a group that were chosen on validation trees
COLUMNS = ("name", "predictions", "mean", "sd", "max", "short_mean", "self_f1", "agreement", "agreement_short")


@dataclass(frozen=True, slots=True)
class Group:
    """Predictions, and the trees on which they agree; F1 as `Scores.sentence_f1`, fractions of 1.

    Args:
        name: the layer and the builder; or what the predictions have in common.
        trees: by agreement.
        f1: of each prediction, over all sentences.
        short: the same over sentences of at most `SHORT` words.
        self_f1: between predictions; None for one.
        agreement: F1 of the trees by agreement, over all and over short sentences.
    """

    name: str
    trees: list[Tree]
    f1: list[float]
    short: list[float]
    self_f1: float | None
    agreement: tuple[float, float]


def main(argv: Sequence[str]) -> None:
    """Score the trees of several runs, and those on which they agree.

    Args:
        argv: the command line after `agree`.

    Raises:
        UserError: a wrong command line, a file without trees, or files with different sentences.
    """
    parser = Parser(prog="python -m app agree", description=__doc__)
    parser.add_argument(
        "predictions",
        nargs="+",
        type=Path,
        help="two or more: directories that parse wrote, one for each seed, or files of trees over the same sentences, "
        "in any format that parse --score reads",
    )
    parser.add_argument("--gold", type=Path, help="file of gold trees; gold.txt of the first directory by default")
    parser.add_argument(
        "--choose_on",
        type=int,
        metavar="N",
        help="of all layers, let those agree that are best on the first N sentences; scores are of the others then",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("agreement"), help="directory of trees and scores; agreement by default"
    )
    arguments = parser.parse_args(argv)
    predictions = _predictions(arguments.predictions)
    gold_path = arguments.gold or arguments.predictions[0] / GOLD
    if arguments.gold is None and not arguments.predictions[0].is_dir():
        raise UserError("--gold is missing: the file of gold trees")
    gold_file = read_file(gold_path, None)
    gold = _sentences(gold_file)
    read = {path: _checked(path, gold, gold_path) for paths in predictions.values() for path in paths}
    valid = arguments.choose_on or 0
    if arguments.choose_on is not None and not 1 <= valid < len(gold):
        raise UserError(f"--choose_on is {valid}; it must leave some of the {len(gold):,} sentences to test on")
    names = _named_groups(predictions)
    all_names = [*names, *(_best_of(name) for name in names if valid and name.startswith(EVERYTHING))]
    files = [SCORES, *([SOURCE] if gold_file.source else []), *map(_file, all_names)]
    check_output(arguments.output, files, OPTION)
    if valid:
        names |= _chosen_groups(names, read, [sentence.tree for sentence in gold[:valid]])
        read, gold = {path: trees[valid:] for path, trees in read.items()}, gold[valid:]
    groups = list(_groups(names, read, gold))
    if gold_file.notice:
        print(gold_file.notice)
    if valid:
        print(f"chosen on the first {valid:,} sentences; UF1 of the other {len(gold):,}")
    _print(groups)
    claim_output(arguments.output, files, OPTION)
    if gold_file.source:
        write_atomically(arguments.output / SOURCE, source_json(gold_file.source))
    write_atomically(arguments.output / SCORES, _csv(groups))
    for group in groups:
        lines = ((sentence.words, tree) for sentence, tree in zip(gold, group.trees, strict=True))
        write_atomically(arguments.output / _file(group.name), write_trees(lines))
    print(f"trees and scores are in {arguments.output}")


def _predictions(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """The tree files by name: those of one layer and builder of different seeds have the same name.

    Raises:
        UserError: a path is neither a file nor a directory with tree files, or there is one prediction only.
    """
    found: dict[str, list[Path]] = {}
    for path in paths:
        files = sorted(file for file in path.glob(f"*{SUFFIX}") if file.name != GOLD) if path.is_dir() else [path]
        if not files:
            raise UserError(f"{path}: no files of trees; name what parse wrote, such as runs/X/seed_0/parse")
        for file in files:
            found.setdefault(file.stem, []).append(file)
    if sum(map(len, found.values())) < 2:
        raise UserError("one file of trees agrees with itself; name two or more, or directories that parse wrote")
    return found


def _checked(path: Path, gold: Sequence[GoldSentence], gold_path: Path) -> list[Tree]:
    sentences = _sentences(read_file(path, None), gold)
    check_same(sentences, gold, path, gold_path)
    return [sentence.tree for sentence in sentences]


def _sentences(file: TreeFile, gold: Sequence[GoldSentence] = ()) -> list[GoldSentence]:
    """The sentences of a file of any format; those without words take the gold sentences' words, if they fit."""
    found = []
    for number, tree in enumerate(file.trees):
        own = gold[number].words if number < len(gold) and len(gold[number].words) == tree.length else None
        found.append(tree.sentence(tree.words or own or tuple(map(str, range(tree.length)))))
    return found


def _named_groups(predictions: Mapping[str, Sequence[Path]]) -> dict[str, Sequence[Path]]:
    """The files of each group: each layer and builder over seeds; all layers of a builder; and everything."""
    groups = dict(predictions)
    builders: dict[str, list[Path]] = {}
    for name, paths in predictions.items():
        layer, dot, builder = name.rpartition(".")
        if dot and layer:
            builders.setdefault(builder, []).extend(paths)
    groups |= {f"{EVERYTHING}.{name}": paths for name, paths in builders.items() if len(builders) > 1}
    groups[EVERYTHING] = [path for paths in predictions.values() for path in paths]
    return groups


def _chosen_groups(
    groups: Mapping[str, Sequence[Path]], read: Mapping[Path, list[Tree]], gold: Sequence[Tree]
) -> dict[str, Sequence[Path]]:
    """Of the groups of all layers, and of everything, the files that are best on validation trees.

    Args:
        groups: the files of each.
        read: the trees of each file, those of the validation sentences first.
        gold: the validation trees.
    """
    chosen: dict[str, Sequence[Path]] = {}
    with progress() as bars:
        wanted = [name for name in groups if name.startswith(EVERYTHING)]
        for name in bars.track(wanted, description="choosing"):
            voters = best_voters([read[path][: len(gold)] for path in groups[name]], gold)
            chosen[_best_of(name)] = [groups[name][number] for number in voters]
    return chosen


def _best_of(name: str) -> str:
    """The name of those of a group that are best on validation trees."""
    return f"{BEST}.{name}"


def _groups(
    groups: Mapping[str, Sequence[Path]], read: Mapping[Path, list[Tree]], gold: Sequence[GoldSentence]
) -> Iterable[Group]:
    """The trees of each group by agreement, and their scores."""
    scores = {path: _f1(trees, gold) for path, trees in read.items()}
    with progress() as bars:
        for name, paths in bars.track(groups.items(), description="trees by agreement"):
            voters = [read[path] for path in paths]
            trees = voters[0] if len(voters) == 1 else [agreed_tree(each) for each in zip(*voters, strict=True)]
            yield Group(
                name,
                trees,
                [scores[path][0] for path in paths],
                [scores[path][1] for path in paths],
                self_f1(voters) if len(voters) > 1 else None,
                _f1(trees, gold),
            )


def _f1(trees: Sequence[Tree], gold: Sequence[GoldSentence]) -> tuple[float, float]:
    return score(trees, gold).sentence_f1, score(trees, gold, max_words=SHORT).sentence_f1


def _file(name: str) -> str:
    return f"{name}{SUFFIX}"


def _print(groups: Sequence[Group]) -> None:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("UF1 in %", overflow="fold")
    for heading in ("files", "mean", "sd", "max", "self-F1", "agreement"):
        table.add_column(heading, justify="right", no_wrap=True)
    for group in groups:
        _, count, mean, deviation, best, _, own, agreement, _ = _cells(group)
        cells = [str(count), percent(mean), _percent(deviation), percent(best), _percent(own)]
        table.add_row(group.name, *cells, "" if count == 1 else percent(agreement))
    print_table(table, markup=False)


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else percent(fraction)


def _cells(group: Group) -> tuple[str, int, float, float | None, float, float, float | None, float, float]:
    deviation = stdev(group.f1) if len(group.f1) > 1 else None
    numbers = fmean(group.f1), deviation, max(group.f1), fmean(group.short), group.self_f1, *group.agreement
    return group.name, len(group.f1), *numbers


def _csv(groups: Iterable[Group]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(["" if cell is None else cell for cell in _cells(group)] for group in groups)
    return text.getvalue()
