"""The part of a lottery's report that is read from masks and weights: figures, notes and tables of numbers."""

from collections import defaultdict
from collections.abc import Sequence

from app.report.aggregate import aggregate
from app.report.document import DocumentPart, Picture, file_stem
from app.report.layer_figures import Densities, layer_pictures
from app.report.layer_numbers import HistogramRow, LayerNumbers, LayerRow, OverlapRow, rows_csv
from app.report.lottery_run import LotteryRun
from app.report.methods import Methods
from app.runs.layout import DENSE

ABOUT = (
    "Masks: of a control's networks for one ticket the first stands for all. Layer densities, sizes and signs are in "
    "layers.csv, overlaps in mask_overlap.csv, the distribution of the tickets' initial weights in "
    "initial_weights.csv. Signs and sizes are those of the weights at iteration 0."
)


def layer_section(lotteries: Sequence[LotteryRun], methods: Methods) -> DocumentPart:
    """Read what the files of some lotteries say of layers.

    Args:
        lotteries: at least one.
        methods: all of them.

    Raises:
        UserError: a file of masks or weights that is damaged.
    """
    if not any(place.mask.exists() for lottery in lotteries for place in lottery.places.values()):
        note = "No masks are in these run directories: there are no figures of layers."
        return DocumentPart(pictures=[], reading=[note], tables={})
    # It imports torch, which a report of tables alone does not need.
    from app.report.layer_files import read_layers

    pictures: list[Picture] = []
    reading = [ABOUT]
    tables: dict[str, str] = {}
    for lottery in lotteries:
        whose = lottery.name if len(lotteries) > 1 else ""
        numbers = read_layers(lottery, methods)
        if numbers is None:
            reading.append(f"{lottery.name}: no masks, so no figures of layers.")
            continue
        pictures += layer_pictures(numbers, network_densities(lottery), methods, name=whose)
        reading += _notes(numbers, methods, f"{whose}: " if whose else "")
        prefix = f"{file_stem(whose)}_" if whose else ""
        tables |= {f"{prefix}{name}": text for name, text in _tables(numbers).items()}
    return DocumentPart(pictures=pictures, reading=reading, tables=tables)


def network_densities(lottery: LotteryRun) -> Densities:
    """The share of the network's weights remaining, by method and round; 1 for the dense network."""
    found: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in lottery.results:
        found[row.method, row.round].append(row.density)
    return {(DENSE, 0): 1.0} | {key: aggregate(values).mean for key, values in found.items()}


def _notes(numbers: LayerNumbers, methods: Methods, whose: str) -> list[str]:
    said = []
    if numbers.same_masks:
        told = ", ".join(
            f"{methods.title(name)} has those of {methods.title(other)}" for name, other in numbers.same_masks.items()
        )
        said.append(f"{whose}Methods with the masks of another have no figures of masks: {told}.")
    if numbers.missing:
        said.append(f"{whose}Not kept, and so not in these figures: {'; '.join(numbers.missing)}.")
    return said


def _tables(numbers: LayerNumbers) -> dict[str, str]:
    overlaps = [*numbers.replicates, *numbers.methods]
    tables = {"layers.csv": rows_csv(numbers.rows, LayerRow)}
    if overlaps:
        tables["mask_overlap.csv"] = rows_csv(overlaps, OverlapRow)
    if numbers.histograms:
        tables["initial_weights.csv"] = rows_csv(numbers.histograms, HistogramRow)
    return tables
