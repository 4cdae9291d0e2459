"""What `syntax` wrote beside trainings: how often they prefer the grammatical one of two sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.common.metrics import Metric
from app.plotting.data import BarsFigure, BarsRow, Mark
from app.report.aggregate import Aggregate, aggregate
from app.report.document import Picture
from app.report.fit_run import FitRun
from app.report.tables import NONE, Table
from app.syntax.condition_scores import SyntaxRow, pool
from app.syntax.score_files import read_csv
from app.syntax.table import TERMS

CHANCE = 0.5
SYNTAX_FIGURE = "syntax"
ACCURACY = Metric(
    name="syntax",
    label="Grammatical sentence preferred",
    better="higher",
    unit="%",
    scale=100.0,
    decimals=1,
    least=0.0,
    greatest=1.0,
)
SYNTAX_NOTE = (
    "Syntax: the share of pairs of which the model finds the grammatical sentence more probable, by construction; "
    "chance is 50 %. Ranges are over seeds; of one seed, bars are the share's 95 % interval (Wilson 1927)."
)

Place = tuple[str, str]  # the term and the name of a row


def syntax_tables(fit: FitRun) -> list[Table]:
    """A row per construction; none where `syntax` has not been run.

    Raises:
        UserError: a scores.csv is not what `syntax` wrote.
    """
    found = _scores(fit)
    if not found:
        return []
    rows = [
        (" ".join(filter(None, (TERMS[term], name))) if term else name, value.number(ACCURACY), str(value.n))
        for (term, name), value in _accuracies(found).items()
    ]
    items = {(row.term, row.name): f"{row.tally.items:,}" for row in found[0]}
    header = ("", ACCURACY.heading, f"{fit.noun.capitalize()}s", "Pairs")
    counted = [(*row, items.get(place, NONE)) for row, place in zip(rows, _accuracies(found), strict=True)]
    return [Table(caption="syntax", header=header, rows=counted, words=(0,))]


def syntax_pictures(fits: Sequence[FitRun]) -> list[Picture]:
    """The figure of all experiments that `syntax` has scored; none where there is none.

    Raises:
        UserError: a scores.csv is not what `syntax` wrote.
    """
    scored = {fit.name: _intervals(found) for fit in fits if (found := _scores(fit))}
    if not scored:
        return []
    places: dict[Place, None] = {}
    for values in scored.values():
        places |= dict.fromkeys(values)
    # The rows of one heading follow each other.
    order = sorted(places, key=lambda place: list(TERMS).index(place[0]))
    rows = [
        BarsRow(
            heading=TERMS[term],
            name=name,
            marks=[_mark(values.get((term, name))) for values in scored.values()],
        )
        for term, name in order
    ]
    said = [
        f"{whose}: {', '.join(f'{name} {value.write(ACCURACY)}' for (_, name), value in values.items())}."
        for whose, values in scored.items()
    ]
    return [
        Picture(
            stem=SYNTAX_FIGURE,
            caption="How often the grammatical sentence of a pair is the more probable one, by construction. Chance is "
            "dashed; bars reach over seeds, or are the 95 % interval of one.",
            alt=f"Share of pairs of which the grammatical sentence is preferred. {' '.join(said)}",
            source=BarsFigure(rows=rows, metric=ACCURACY, reference=CHANCE, experiments=list(scored)),
            group="Syntax",
        )
    ]


def _scores(fit: FitRun) -> list[list[SyntaxRow]]:
    """The rows of every seed that has been scored."""
    paths = [training.layout.root / "syntax" / "scores.csv" for training in fit.trainings]
    return [pool(read_csv(path)[1]) for path in paths if path.exists()]


def _accuracies(seeds: Sequence[Sequence[SyntaxRow]]) -> Mapping[Place, Aggregate]:
    values: dict[Place, list[float]] = {}
    for rows in seeds:
        for row in rows:
            if row.tally.accuracy is not None:
                values.setdefault((row.term, row.name), []).append(row.tally.accuracy)
    return {place: aggregate(some) for place, some in values.items()}


def _intervals(seeds: Sequence[Sequence[SyntaxRow]]) -> Mapping[Place, Aggregate]:
    """Accuracies with their range over seeds; of one seed with the 95 % interval of the share (Wilson 1927)."""
    values = _accuracies(seeds)
    if len(seeds) > 1:
        return values
    ends = {(row.term, row.name): row.tally.interval for row in seeds[0]}
    return {
        place: value if (interval := ends[place]) is None else replace(value, low=interval[0], high=interval[1])
        for place, value in values.items()
    }


def _mark(value: Aggregate | None) -> Mark | None:
    return None if value is None else value.mark(0.0)
