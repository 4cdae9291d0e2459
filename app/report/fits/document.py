"""What a report of trainings by `fit` holds, before it is Markdown or HTML."""

from collections.abc import Collection, Sequence

from app.plotting.style import iteration, plural
from app.report.document import Document, Picture, Section
from app.report.fits.findings import fit_findings
from app.report.fits.operators import OPERATORS_NOTE, measure_operators, operators_picture, operators_tables
from app.report.fits.quantities import PERPLEXITY, VAL_ACCURACY, VAL_LOSS, Quantity, layers, main_quantity
from app.report.fits.reading import FitExperiment
from app.report.fits.series import fit_line
from app.report.fits.tables import provenance_table, validations_table
from app.report.fits.trees import Drawing, scores_tables

EXACT = "val_perplexity_exact"
LAYERS = "uf1_layers"  # the figure that has a panel for every layer

NOTES = {
    PERPLEXITY.column: "Perplexity: e to the validation loss. Its axis is logarithmic.",
    EXACT: (
        "Perplexities follow the convention of the ON-LSTM authors, as published numbers do; val_perplexity_exact in "
        "metrics.csv goes by the exact count of predicted words."
    ),
    VAL_LOSS: "Validation loss: in nats, as the network's module logs it.",
    VAL_ACCURACY.column: "Accuracy axes are logarithmic in the error: from 98 to 99 % is as far as from 80 to 90 %.",
    LAYERS: (
        "UF1: how well the trees of a layer agree with the treebank's, labels aside: the mean of sentences' F1 as the "
        "ON-LSTM authors' script has it, over the sentences that were parsed while training."
    ),
}
SCORES_NOTE = (
    "Parses: UF1 as above, over short sentences and over all; Kim: without sentences of one word; corpus: F1 of the "
    "brackets of all sentences together; +root: with those around whole sentences; depth: brackets around a word."
)


def fit_document(experiments: Sequence[FitExperiment], drawings: Sequence[Drawing], command: str) -> Document:
    """Put the report of some experiments into words.

    Args:
        experiments: at least one.
        drawings: the trees that it shows.
        command: what is typed to make this report.

    Raises:
        UserError: a scores.csv that is broken.
    """
    figures = fit_figures(experiments)
    scores = {experiment.name: scores_tables(experiment) for experiment in experiments}
    sections = [
        Section(
            name=experiment.name,
            heading=experiment.name if len(experiments) > 1 else "Findings",
            extent=_extent(experiment),
            findings=fit_findings(experiment),
            tables=[
                *operators_tables(experiment),
                validations_table(experiment),
                *scores[experiment.name],
                provenance_table(experiment),
            ],
        )
        for experiment in experiments
    ]
    pictures = [
        Picture(stem=stem, caption=_caption(stem, quantities), alt=_alt(experiments, quantities))
        for stem, quantities in figures.items()
    ]
    if measure_operators(experiments):
        pictures.append(operators_picture(experiments))
    return Document(
        title=f"Training: {', '.join(experiment.name for experiment in experiments)}",
        sections=sections,
        pictures=[*pictures, *map(_drawn, drawings)],
        reading=[
            *_reading(experiments, figures),
            *([OPERATORS_NOTE] if measure_operators(experiments) else []),
            *([SCORES_NOTE] if any(scores.values()) else []),
        ],
        command=command,
    )


def fit_figures(experiments: Sequence[FitExperiment]) -> dict[str, list[Quantity]]:
    """The figures by the stem of their files, and the quantities that each has panels of."""
    columns = {column for experiment in experiments for column in experiment.columns}
    main = {main_quantity(experiment.columns).column: main_quantity(experiment.columns) for experiment in experiments}
    found = {column: [quantity] for column, quantity in sorted(main.items(), reverse=True)}
    if VAL_ACCURACY.column in columns:
        found[VAL_ACCURACY.column] = [VAL_ACCURACY]
    return found | ({LAYERS: trees} if (trees := layers(columns)) else {})


def _extent(experiment: FitExperiment) -> str:
    """How much was trained, in one sentence."""
    fits = experiment.fits
    sizes = sorted({fit.provenance.parameters for fit in fits})
    counts = sorted({len(fit.rows) for fit in fits})
    many = plural(counts[0], "validation") if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,} validations"
    last = iteration(max(fit.rows[-1]["iteration"] for fit in fits))
    parameters = " or ".join(f"{size:,}" for size in sizes)
    return f"{plural(len(fits), 'seed')}, {parameters} parameters: {many}, the last at iteration {last}."


def _caption(stem: str, quantities: Sequence[Quantity]) -> str:
    if stem == LAYERS:
        return "UF1 of each layer's trees over the iterations of training."
    return f"{quantities[0].name} over the iterations of training."


def _alt(experiments: Sequence[FitExperiment], quantities: Sequence[Quantity]) -> str:
    """A figure as text: where each line begins, has its best value, and ends."""
    said = []
    for quantity in quantities:
        best = max if quantity.rises else min
        for experiment in experiments:
            if line := fit_line(experiment, quantity.column):
                points = [line[0], best(line, key=lambda point: point.value.mean), line[-1]]
                places = ", ".join(
                    f"{quantity.write(point.value.mean)} at {iteration(point.iteration)}"
                    for point in sorted(set(points), key=lambda point: point.number)
                )
                whose = f"{quantity.name}, {experiment.name}" if len(quantities) > 1 else experiment.name
                said.append(f"{whose}: {places}.")
    name = quantities[0].name if len(quantities) == 1 else "UF1 of each layer"
    return f"{name} over iterations; start, best and end of each line. {' '.join(said)}"


def _drawn(drawing: Drawing) -> Picture:
    gold = f" Gold: {drawing.gold}" if drawing.gold else ""
    return Picture(
        stem=drawing.stem,
        caption=f"{drawing.experiment}, seed {drawing.seed}: sentence {drawing.sentence} of the treebank, as parse "
        "drew it: the predicted tree beside the gold one, with the distance at each word.",
        alt=f"The trees of sentence {drawing.sentence}, predicted by {drawing.experiment} and gold.{gold}",
    )


def _reading(experiments: Sequence[FitExperiment], stems: Collection[str]) -> list[str]:
    """How to read the figures and tables."""
    exact = any(EXACT in experiment.columns for experiment in experiments)
    notes = [
        "Validations are counted from 1, and are epochs where there is one in each; one before any training has the "
        "number 0.",
        *(note for about, note in NOTES.items() if about in stems or (about == EXACT and exact)),
    ]
    if any(len(experiment.fits) > 1 for experiment in experiments):
        notes.append(
            "Lines are means over the seeds of an experiment, bands reach from the least to the greatest value. Seeds "
            "are compared validation by validation, at the mean of their iterations. Lines are thin where some seeds "
            "have not got that far."
        )
    data = {tuple(sorted(fit.provenance.data.items())) for experiment in experiments for fit in experiment.fits}
    if len(data) > 1:
        notes.append(
            "Not all were trained on the same data (see the checksums): losses and perplexities may not compare."
        )
    return notes
