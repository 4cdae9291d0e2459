"""Tables of paired differences with their intervals."""

from collections.abc import Sequence

from app.common.metrics import Metric
from app.report.comparisons import Comparison, compare, references
from app.report.differences import as_difference
from app.report.lottery_run import LotteryRun
from app.report.methods import Methods
from app.report.tables import NONE, Table, exact
from app.runs.layout import DENSE


def comparison_tables(lottery: LotteryRun, methods: Methods) -> list[Table]:
    """Each method beside the dense network and beside the tickets of the same round, a row per round.

    Args:
        lottery: the experiment; one replicate gives no table, as no difference has an interval.
        methods: all of them.
    """
    tables = []
    present = methods.in_order(lottery.methods)
    for method in (name for name in present if name != DENSE):
        for against in references(method, present, methods):
            columns = [compare(lottery.results, metric, method, against, lottery.best) for metric in lottery.columns]
            if any(each.difference.n > 1 for column in columns for each in column):
                other = "dense" if against == DENSE else f"{methods.title(against)} of the same round"
                tables.append(_table(f"{methods.title(method)} less {other}", lottery.columns, columns))
    return tables


def _table(caption: str, metrics: Sequence[Metric], columns: Sequence[Sequence[Comparison]]) -> Table:
    by_round = [{each.round: each for each in column} for column in columns]
    rows = []
    for round_ in sorted(set().union(*by_round)):
        found = [column.get(round_) for column in by_round]
        there = [each for each in found if each is not None]
        cells = [NONE if each is None else each.cell for each in found]
        rows.append((exact(there[0].density, round_), *cells, str(max(each.difference.n for each in there))))
    header = ("% of weights remaining", *(_heading(metric) for metric in metrics), "Replicates")
    return Table(caption=f"{caption}, with 95 % intervals", header=header, rows=rows)


def _heading(metric: Metric) -> str:
    unit = as_difference(metric).unit
    return f"{metric.title} ({unit})" if unit else metric.title
