"""What `parse`, `syntax` and `test` have measured of all networks of a lottery: figures against density, drawings."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from app.common.errors import UserError
from app.common.metrics import accuracy
from app.plotting.data import DensityFigure, DensityPanel, Entry, Line, Mark
from app.report.aggregate import aggregate
from app.report.document import Picture, file_stem
from app.report.lottery_run import LotteryRun
from app.report.methods import Methods
from app.report.parses import read_pictures
from app.runs.layout import DENSE, NetworkKey, RunLayout
from app.runs.measured_networks import SCORES, read_scores

TREES = "Trees at several densities"
SYNTAX = "Syntax"
ACCURACY = accuracy("syntax_accuracy", "Preferred the grammatical sentence")
MOST_PANELS = 8
RowCounts = Mapping[tuple[str, str], Mapping[NetworkKey, tuple[int, int]]]  # the same by row and term
Counts = Mapping[str, Mapping[NetworkKey, tuple[int, int]]]  # by title and network: right, items


def runs_of(lottery: LotteryRun) -> list[RunLayout]:
    """The run directories that the networks of a lottery come from."""
    found = {place.root.parents[len(key.path.split("/")) - 1]: None for key, place in lottery.places.items()}
    return [RunLayout(root) for root in found]


def drawn_trees(lottery: LotteryRun, *, name: str = "") -> list[Picture]:
    """The drawings that `parse` of the whole lottery made.

    Args:
        lottery: the experiment.
        name: of the lottery, where there are several.

    Raises:
        UserError: one cannot be read.
    """
    prefix = f"{file_stem(name)}_" if name else ""
    return [
        Picture(
            stem=f"{prefix}trees_{sentence}",
            caption=f"{f'{name}: ' if name else ''}sentence {sentence} of the treebank, as parse drew it: trees of "
            "networks of several densities side by side, and the gold one.",
            alt=f"The trees of sentence {sentence} at several densities.",
            source=files,
            group=TREES,
        )
        for run in runs_of(lottery)
        for sentence, files in read_pictures(run.root / "parse")
    ]


def syntax_picture(lottery: LotteryRun, methods: Methods, *, name: str = "") -> list[Picture]:
    """Accuracy in the table of `syntax` against density: a panel per row, or per group of rows where there are many.

    Rows that begin with the same word and have the same term are a group, such as those of subject-verb agreement. No
    picture where syntax was not measured.

    Args:
        lottery: the experiment.
        methods: all of them.
        name: of the lottery, where there are several.

    Raises:
        UserError: a table is damaged.
    """
    counts = _grouped(_counts(lottery))
    densities: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in lottery.results:
        densities[row.method, row.round].append(row.density)
    panels = [panel for title, by_key in counts.items() if (panel := _panel(title, by_key, densities, methods)).lines]
    if not panels:
        return []
    present = methods.in_order(key.method for by_key in counts.values() for key in by_key if key.method != DENSE)
    said = [
        f"{panel.name}: dense {ACCURACY.write(panel.dense.mean)}, "
        + ", ".join(f"{ACCURACY.write(line.marks[-1].mean)}" for line in panel.lines)
        + "."
        for panel in panels
        if panel.dense is not None
    ]
    return [
        Picture(
            stem=f"{file_stem(name)}_syntax" if name else "syntax",
            caption=f"{f'{name}: ' if name else ''}how often the grammatical one of two sentences is the more probable "
            "one, by kind of sentence, against the share of weights remaining.",
            alt="Accuracy by kind of sentence: of the dense network, and of each method at its sparsest round, in the "
            f"order {', '.join(methods.title(each) for each in present)}. {' '.join(said)}",
            source=DensityFigure(
                panels=panels,
                metric=ACCURACY,
                legend=[Entry(label=methods.title(each), line_style=methods.line_style(each)) for each in present],
            ),
            group=SYNTAX,
        )
    ]


def _panel(
    title: str,
    by_key: Mapping[NetworkKey, tuple[int, int]],
    densities: Mapping[tuple[str, int], Sequence[float]],
    methods: Methods,
) -> DensityPanel:
    marks: dict[str, list[Mark]] = defaultdict(list)
    groups: dict[tuple[str, int], list[float]] = defaultdict(list)
    for key, (right, items) in by_key.items():
        if items:
            groups[key.method, key.round].append(right / items)
    for (method, round_), values in sorted(groups.items(), key=lambda item: item[0][1]):
        some = densities.get((method, round_), [])
        if some:
            marks[method].append(aggregate(values).mark(math.fsum(some) / len(some)))
    dense = marks.pop(DENSE, [None])[0]
    order = methods.in_order(marks)
    return DensityPanel(
        name=title, dense=dense, lines=[Line(line_style=methods.line_style(each), marks=marks[each]) for each in order]
    )


def _grouped(counts: RowCounts) -> Counts:
    """The counts of groups of rows where there are more rows than panels; of all together where groups are too many."""
    found: dict[str, dict[NetworkKey, tuple[int, int]]] = {}
    for name in (lambda *row: row, lambda row, term: (row.partition(" ")[0], term), lambda *_: ("all",)):
        found = defaultdict(dict)
        for (row, term), by_key in counts.items():
            title = ", ".join(filter(None, name(row, term)))
            for key, (right, items) in by_key.items():
                before = found[title].get(key, (0, 0))
                found[title][key] = before[0] + right, before[1] + items
        if len(found) <= MOST_PANELS:
            break
    return found


def _counts(lottery: LotteryRun) -> RowCounts:
    found: dict[tuple[str, str], dict[NetworkKey, tuple[int, int]]] = defaultdict(dict)
    for run in runs_of(lottery):
        path = run.root / "syntax" / SCORES
        if not path.exists():
            continue
        try:
            for row in read_scores(path):
                key = NetworkKey(int(row["replicate"]), row["method"], int(row["round"]), int(row["branch"]))
                title = row["row"], row["term"]
                right, items = found[title].get(key, (0, 0))
                found[title][key] = right + int(row["right"]), items + int(row["items"])
        except UserError:  # says what is wrong with the file
            raise
        except (KeyError, ValueError) as error:
            raise UserError(f"{path}: not the table of syntax ({error}); delete it and run syntax again") from None
    return found
