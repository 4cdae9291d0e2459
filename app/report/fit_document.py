"""The report of trainings, before it is Markdown or HTML."""

from collections.abc import Sequence
from dataclasses import replace

from app.common.metrics import Metric
from app.plotting.numbers import iteration, plural, weights
from app.report.document import Document, ExperimentSection, Picture
from app.report.findings import Findings
from app.report.fit_comparisons import compare_fits, fit_comparison, fit_comparisons
from app.report.fit_figures import fit_figures, fit_picture
from app.report.fit_findings import fit_findings
from app.report.fit_run import FitRun
from app.report.fit_tables import fit_provenance_table, validations_table
from app.report.notes import data_notes, detail_notes, metric_notes
from app.report.operators import OPERATORS_NOTE, is_by_operators, operators_pictures, operators_tables
from app.report.parses import SCORES_NOTE, Drawing, read_drawings, scores_tables
from app.report.syntax_scores import SYNTAX_NOTE, syntax_pictures, syntax_tables
from app.report.tree_browser import read_treebanks
from app.report.uf1_layers import UF1_FIGURE, UF1_NOTE, is_layer
from app.report.verdicts import basis
from app.runs.table import ITERATION


def fit_document(fits: Sequence[FitRun], command: str) -> Document:
    """Put the report of some trainings into words, tables and figures.

    Args:
        fits: at least one.
        command: what is typed to make this report.

    Raises:
        UserError: a file of theirs that is missing or broken.
    """
    figures = fit_figures(fits)
    by_operators = operators_pictures(fits)
    scores = {fit.name: scores_tables(fit) for fit in fits}
    syntax = syntax_pictures(fits)
    sections = [
        ExperimentSection(
            name=fit.name,
            heading=fit.name if len(fits) > 1 else "Findings",
            extent=_extent(fit),
            findings=_beside(fit_findings(fit), fit, fits[0]),
            tables=[
                *operators_tables(fit),
                validations_table(fit),
                *scores[fit.name],
                *syntax_tables(fit),
                fit_provenance_table(fit),
            ],
        )
        for fit in fits
    ]
    pictures = [fit_picture(fits, stem, metrics) for stem, metrics in figures.items()]
    return Document(
        title=f"Training: {', '.join(fit.name for fit in fits)}",
        sections=sections,
        pictures=[*pictures, *by_operators, *syntax, *map(_drawn, read_drawings(fits))],
        reading=[
            *_reading(fits, figures),
            *([OPERATORS_NOTE] if by_operators else []),
            *([SCORES_NOTE] if any(scores.values()) else []),
            *([SYNTAX_NOTE] if syntax else []),
            *data_notes(training.provenance for fit in fits for training in fit.trainings),
        ],
        command=command,
        tables=fit_comparisons(fits),
        treebanks=read_treebanks(fits),
    )


def _beside(findings: Findings, fit: FitRun, first: FitRun) -> Findings:
    """Findings of an experiment with how it compares with the first."""
    compared = [] if fit is first else fit_comparison(fit, first)
    if not compared:
        return findings
    pairs = max((each.difference.n for each in compare_fits(fit, first)), default=0)
    said = [*compared, *([basis(pairs, "seed")] if pairs else [])]
    return replace(findings, by_subject={**findings.by_subject, f"Beside {first.name}": said})


def _extent(fit: FitRun) -> str:
    """How much was trained, in one sentence."""
    trainings = fit.trainings
    counts = sorted({len(training.rows) for training in trainings})
    many = plural(counts[0], "validation") if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,} validations"
    last = iteration(max(training.rows[-1][ITERATION] for training in trainings))
    stopped = [
        f"{fit.noun} {training.seed} at iteration {iteration(training.provenance.stopped_at)}"
        for training in trainings
        if training.provenance.stopped_at is not None
    ]
    early = f" Stopped before the full length: {', '.join(stopped)}." if stopped else ""
    return f"{plural(len(trainings), fit.noun)}{_size(fit)}: {many}, the last at iteration {last}.{early}"


def _size(fit: FitRun) -> str:
    made = [training.provenance for training in fit.trainings]
    if sizes := sorted({each.parameters for each in made if each.parameters is not None}):
        return f", {' or '.join(f'{size:,}' for size in sizes)} parameters"
    densities = sorted({each.density for each in made if each.density is not None})
    return f" with {' or '.join(map(weights, densities))} % of weights" if densities else ""


def _drawn(drawing: Drawing) -> Picture:
    gold = f" Gold: {drawing.gold}" if drawing.gold else ""
    return Picture(
        stem=drawing.stem,
        caption=f"{drawing.training}: sentence {drawing.sentence} of the treebank, as parse "
        "drew it: the predicted tree beside the gold one, with the distance at each word.",
        alt=f"The trees of sentence {drawing.sentence}, predicted by {drawing.experiment} and gold.{gold}",
        source={"png": drawing.png, "svg": drawing.svg},
        group="Trees",
    )


def _reading(fits: Sequence[FitRun], figures: dict[str, list[Metric]]) -> list[str]:
    """How to read the figures and tables."""
    notes = [
        "Validations are counted from 1, and are epochs where there is one in each; one before any training has the "
        "number 0.",
        *metric_notes(metric for stem, metrics in figures.items() if stem != UF1_FIGURE for metric in metrics),
        *([UF1_NOTE] if UF1_FIGURE in figures else []),
        *detail_notes(
            metric
            for fit in fits
            for metric in fit.metrics.values()
            if metric.detail and not is_by_operators(metric) and not is_layer(metric)
        ),
    ]
    trainings = [training for fit in fits for training in fit.trainings]
    if infinite := sorted(set().union(*(training.infinite for training in trainings))):
        notes.append(f"Infinite values, as of a training that diverges, are left out: {', '.join(infinite)}.")
    if left_out := [name for fit in fits for name in fit.left_out]:
        notes.append(
            f"Left out, because no validation has a finite value of what decides on the best: {', '.join(left_out)}."
        )
    if any(len(fit.trainings) > 1 for fit in fits):
        notes.append(
            "Lines are means over the seeds of an experiment, bands reach from the least to the greatest value. Seeds "
            "are compared validation by validation, at the mean of their iterations. Lines are thin where some seeds "
            "have not got that far."
        )
    return notes
