"""The part of a lottery's report that is about language models: test perplexity, trees, syntax, gates and ranks."""

from collections.abc import Sequence

from app.report.difference_figures import difference_pictures
from app.report.document import DocumentPart, file_stem
from app.report.language_columns import language_columns, optimum
from app.report.layer_numbers import rows_csv
from app.report.layer_section import network_densities
from app.report.lottery_figures import density_picture
from app.report.lottery_run import LotteryRun
from app.report.lottery_scores import drawn_trees, syntax_picture
from app.report.lottery_series import chosen_rounds, series
from app.report.methods import Methods
from app.report.metrics import EARLY_STOP_ITERATION, unique
from app.report.uf1_layers import UF1_NOTE


def language_section(lotteries: Sequence[LotteryRun], methods: Methods) -> DocumentPart:
    """Everything that lotteries of language models have and others have not.

    Args:
        lotteries: at least one.
        methods: all of them.

    Raises:
        UserError: a mask, a table or a drawing is damaged.
    """
    columns = unique(metric for lottery in lotteries for metric in language_columns(lottery))
    pictures = [density_picture(lotteries, metric, methods) for metric in columns]
    pictures += difference_pictures(lotteries, columns, methods)
    reading = [UF1_NOTE] if any("uf1" in metric.name for metric in columns) else []
    reading += [told] if (told := optimum(lotteries)) else []
    tables: dict[str, str] = {}
    for lottery in lotteries:
        name = lottery.name if len(lotteries) > 1 else ""
        pictures += [*syntax_picture(lottery, methods, name=name), *drawn_trees(lottery, name=name)]
        if lottery.schema.gates and any(place.mask.exists() for place in lottery.places.values()):
            # They import torch, which a report of tables alone does not need.
            from app.report.gate_figures import gate_pictures
            from app.report.gate_numbers import GateRow, read_gates

            rows = read_gates(lottery)
            line = series(lottery.results, EARLY_STOP_ITERATION.name, methods)
            tickets = methods.tickets(line)
            if rows and tickets is not None:
                rounds = chosen_rounds(line[tickets])
                pictures += gate_pictures(rows, tickets, rounds, network_densities(lottery), methods, name)
                tables[f"{file_stem(name)}_gates.csv" if name else "gates.csv"] = rows_csv(rows, GateRow)
    return DocumentPart(pictures=pictures, reading=reading, tables=tables)
