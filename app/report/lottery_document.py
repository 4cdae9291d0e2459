"""The report of lotteries, before it is Markdown or HTML."""

from collections import Counter
from collections.abc import Sequence

from app.common.metrics import SUPERMASK
from app.plotting.numbers import plural, weights
from app.report.comparison_tables import comparison_tables
from app.report.comparisons import comparisons_csv
from app.report.difference_figures import difference_pictures
from app.report.document import Document, ExperimentSection
from app.report.language_columns import language_columns
from app.report.language_section import language_section
from app.report.layer_section import layer_section
from app.report.lottery_figures import curves_picture, density_picture
from app.report.lottery_findings import lottery_findings
from app.report.lottery_run import LotteryRun
from app.report.lottery_series import BOUND
from app.report.methods import Methods
from app.report.metrics import unique
from app.report.notes import data_notes, metric_notes
from app.report.provenance import provenance_table
from app.report.tables import method_tables
from app.report.transfer import transfer_pictures, transfer_section
from app.report.wording import best_validation, capitalised, in_sentence


def lottery_document(lotteries: Sequence[LotteryRun], command: str) -> Document:
    """Put the report of some lotteries into words, tables and figures.

    Args:
        lotteries: at least one.
        command: what is typed to make this report.

    Raises:
        UserError: a file of theirs that is missing or broken.
    """
    methods = methods_of(lotteries)
    columns = unique(metric for lottery in lotteries for metric in lottery.columns)
    metrics = unique(metric for lottery in lotteries for metric in lottery.headline)
    made = {lottery.name: lottery.provenance() for lottery in lotteries}
    layers = layer_section(lotteries, methods)
    language = language_section(lotteries, methods)
    sections = [
        ExperimentSection(
            name=lottery.name,
            heading=lottery.name if len(lotteries) > 1 else "Findings",
            extent=_extent(lottery, methods),
            findings=lottery_findings(lottery, methods),
            tables=[
                *method_tables(lottery.results, lottery.columns, methods, lottery.best),
                *comparison_tables(lottery, methods),
                *([provenance_table(made[lottery.name])] if made[lottery.name] else []),
            ],
        )
        for lottery in lotteries
    ]
    sections += transfer_section(lotteries)
    return Document(
        title=f"Lottery tickets: {', '.join(lottery.name for lottery in lotteries)}",
        sections=sections,
        pictures=[
            *(density_picture(lotteries, metric, methods) for metric in columns),
            *difference_pictures(lotteries, columns, methods),
            *(curves_picture(lotteries, metric, methods) for metric in metrics),
            *language.pictures,
            *layers.pictures,
            *transfer_pictures(lotteries),
        ],
        reading=[
            *_reading(lotteries, methods),
            *layers.reading,
            *language.reading,
            *metric_notes(metrics),
            *data_notes(each for some in made.values() for _, each in some),
        ],
        command=command,
        tables={
            "comparisons.csv": comparisons_csv(lotteries, methods, language_columns),
            **layers.tables,
            **language.tables,
        },
    )


def methods_of(lotteries: Sequence[LotteryRun]) -> Methods:
    """The methods of some lotteries."""
    controls: dict[str, str] = {}
    for lottery in lotteries:
        controls = lottery.controls | controls
    names = [
        method
        for lottery in lotteries
        for method in [*lottery.methods, *dict.fromkeys(key.method for key in lottery.running)]
    ]
    return Methods.of([lottery.schema for lottery in lotteries], names, controls)


def _extent(lottery: LotteryRun, methods: Methods) -> str:
    """How much was trained, in one sentence."""
    rows = lottery.results
    counts = Counter(row.method for row in rows)
    listed = ", ".join(f"{counts[method]} {methods.title(method)}" for method in methods.in_order(counts))
    rounds, sparsest = max(row.round for row in rows), weights(min(row.density for row in rows))
    pruning = f"{plural(rounds, 'round')} of pruning down to {sparsest} % of weights" if rounds else "no pruning yet"
    minutes = sum(row.seconds for row in rows) / 60
    time = f"{minutes / 60:.1f} hours" if minutes >= 100 else f"{minutes:.1f} minutes"
    return (
        f"{plural(lottery.replicates, 'replicate')}, {pruning}: "
        f"{plural(len(rows), 'trained network')} ({listed}), {time} of training{_lengths(lottery)}.{_running(lottery)}"
    )


def _running(lottery: LotteryRun) -> str:
    """How many networks have been begun and are not finished."""
    count = len(lottery.running)
    return f" {plural(count, 'network')} begun and not finished: on the page, in the curves alone." if count else ""


def _lengths(lottery: LotteryRun) -> str:
    """The lengths of the trainings, where they differ."""
    lengths = sorted({row.iterations for row in lottery.results if row.iterations is not None})
    return f"; they ended at iterations {lengths[0]:,} to {lengths[-1]:,}" if len(lengths) > 1 else ""


def _reading(lotteries: Sequence[LotteryRun], methods: Methods) -> list[str]:
    """How to read the figures and tables."""
    present = methods.in_order(method for lottery in lotteries for method in lottery.methods)
    best = dict.fromkeys(best_validation(lottery.best, lottery.monitor) for lottery in lotteries)
    return [
        "Weights remaining: the share of weights, biases aside, that pruning has left. At 100 % stands the dense "
        "network, in which every line begins; its level is drawn through as a thin line.",
        *(
            f"{capitalised(methods.title(method))}: {methods.notes[method].note}."
            for method in present
            if methods.notes[method].note
        ),
        f"Early stop: the iteration of {' or '.join(best)}, found afterwards. It is only a lower bound ("
        f"{BOUND} in tables, a hollow point in the figure) where a network was best at its last validation, or better "
        "still at the end: a longer training may have had its best validation later.",
        "Lines are means over networks; bars and bands reach from the least to the greatest value. The number of "
        "networks n counts replicates, and for controls replicates times the controls of each ticket.",
        *_supermask(lotteries),
        *_differences(lotteries),
        *_left_out(lotteries),
    ]


def _supermask(lotteries: Sequence[LotteryRun]) -> list[str]:
    """A note on columns that were measured before the training."""
    columns = unique(each for lottery in lotteries for each in lottery.columns if each.name.startswith(SUPERMASK))
    if not columns:
        return []
    names = ", ".join(each.title for each in columns)
    return [
        f"{names}: of each network before its training, masked, with the weights and the running statistics of batch "
        "normalisation that it begins with."
    ]


def _differences(lotteries: Sequence[LotteryRun]) -> list[str]:
    """A note on differences and their intervals."""
    if all(lottery.replicates == 1 for lottery in lotteries):
        return ["One replicate has no interval: comparisons.csv has the differences alone."]
    return [
        "Differences are those between networks of the same replicate, averaged over replicates; in brackets, and as "
        "bars in figures of differences, the 95 % interval by Student's t. With two replicates it is 12.7 standard "
        "errors long on either side, with three 4.3, with five 2.8. comparisons.csv has those of every method beside "
        "every other of the same round."
    ]


def _left_out(lotteries: Sequence[LotteryRun]) -> list[str]:
    """A note on columns of which some networks have no number."""
    columns = unique(each for lottery in lotteries for each in lottery.left_out)
    if not columns:
        return []
    names = ", ".join(in_sentence(column.title) for column in columns)
    return [f"Networks without a number, or with one that is not finite, are left out of: {names}."]
