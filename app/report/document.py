"""What a report holds, before it is Markdown or HTML: sentences, tables, and what each picture shows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.plotting.style import LOOKS, QUANTITIES, plural, quantity, weights
from app.report.aggregate import Point, chosen_rounds, series, ticket_method
from app.report.experiments import Experiment
from app.report.findings import Findings, findings
from app.report.tables import Table, tables
from app.runs.layout import METHODS

AGAINST_DENSITY = ("early_stop_iteration", "early_stop_test_accuracy", "final_test_accuracy")
CURVES = "test_accuracy_curves"

METHOD_NOTES = {
    "iterative": "pruned a little every round, the survivors rewound",
    "one_shot": "the trained dense network pruned once to the density of that round, the survivors rewound",
    "random_reinit": "a ticket's mask with fresh weights",
    "random_mask": "a ticket's density per layer in random places, with fresh weights",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure: the stem of its files, a caption, and what it shows in words and numbers."""

    stem: str
    caption: str
    alt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One experiment: its name, a heading, what was trained, what it shows, its tables."""

    name: str
    heading: str
    extent: str
    findings: Findings
    tables: list[Table]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The whole report; `command` is what made it, where that is told."""

    title: str
    sections: list[Section]
    pictures: list[Picture]
    reading: list[str]
    command: str | None = None


def document(experiments: Sequence[Experiment]) -> Document:
    """Put the report of some experiments, at least one, into words."""
    sections = [
        Section(
            name=experiment.name,
            heading=experiment.name if len(experiments) > 1 else "Findings",
            extent=_extent(experiment),
            findings=findings(experiment.results),
            tables=tables(experiment.results),
        )
        for experiment in experiments
    ]
    pictures = [
        Picture(
            stem=column,
            caption=f"{QUANTITIES[column]} against the share of weights remaining.",
            alt=_alt(experiments, column),
        )
        for column in AGAINST_DENSITY
    ]
    curves = Picture(
        stem=CURVES,
        caption="Test accuracy over the iterations of training, at some of the densities.",
        alt=_curves_alt(experiments),
    )
    return Document(
        title=f"Lottery tickets: {', '.join(experiment.name for experiment in experiments)}",
        sections=sections,
        pictures=[*pictures, curves],
        reading=_reading({row.method for experiment in experiments for row in experiment.results}),
    )


def _extent(experiment: Experiment) -> str:
    """How much was trained, in one sentence."""
    rows = experiment.results
    counts = Counter(row.method for row in rows)
    listed = ", ".join(f"{counts[method]} {LOOKS[method].label}" for method in METHODS if counts[method])
    rounds, sparsest = max(row.round for row in rows), weights(min(row.density for row in rows))
    pruning = f"{plural(rounds, 'round')} of pruning down to {sparsest} % of weights" if rounds else "no pruning yet"
    minutes = sum(row.seconds for row in rows) / 60
    time = f"{minutes / 60:.1f} hours" if minutes >= 100 else f"{minutes:.1f} minutes"
    return (
        f"{plural(experiment.replicates, 'replicate')}, {pruning}: "
        f"{plural(len(rows), 'trained network')} ({listed}), {time} of training."
    )


def _alt(experiments: Sequence[Experiment], column: str) -> str:
    """A figure against density as text: where each line begins, has its best value, and ends."""
    best = min if column.endswith("iteration") else max
    said = []
    for experiment in experiments:
        for method, line in series(experiment.results, column).items():
            points = [line[0], best(line, key=lambda point: point.mean), line[-1]]
            places = ", ".join(_at(column, point) for point in dict.fromkeys(points))
            said.append(f"{_whose(experiments, experiment)}{LOOKS[method].label} {places}.")
    return f"{QUANTITIES[column]} against % of weights remaining; start, best and end of each line. {' '.join(said)}"


def _curves_alt(experiments: Sequence[Experiment]) -> str:
    """The figure of learning curves as text: where each of the curves drawn ends."""
    said = []
    for experiment in experiments:
        lines = series(experiment.results, "final_test_accuracy")
        rounds = chosen_rounds(lines[ticket_method(lines) or next(iter(lines))])
        for method, line in lines.items():
            places = ", ".join(_at("final_test_accuracy", point) for point in line if point.round in rounds)
            said.append(f"{_whose(experiments, experiment)}{LOOKS[method].label} {places}.")
    return f"Test accuracy over iterations, one panel per method; where the curves end. {' '.join(said)}"


def _at(column: str, point: Point) -> str:
    unit = "" if column.endswith("iteration") else " %"
    return f"{quantity(column, point.mean)}{unit} at {weights(point.density)} %"


def _whose(experiments: Sequence[Experiment], experiment: Experiment) -> str:
    return f"{experiment.name}, " if len(experiments) > 1 else ""


def _reading(methods: set[str]) -> list[str]:
    """How to read the figures and tables."""
    notes = [
        f"{LOOKS[method].label.capitalize()}: {METHOD_NOTES[method]}." for method in METHOD_NOTES if method in methods
    ]
    return [
        "Weights remaining: the share of weights, biases aside, that pruning has left. At 100 % stands the dense "
        "network, in which every line begins; its level is drawn through as a thin line.",
        *notes,
        "Early stop: the iteration of least validation loss, found afterwards; every training runs its full length.",
        "Lines are means over networks; bars and bands reach from the least to the greatest value. The number of "
        "networks n counts replicates, and for the random controls replicates times draws.",
        "Accuracy axes are logarithmic in the error: from 98 to 99 % is as far as from 80 to 90 %.",
    ]
