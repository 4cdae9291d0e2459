"""Tickets on other tasks than they were found on: accuracy by source and target (Morcos et al. 2019)."""

from collections.abc import Sequence
from math import isfinite, nan

from app.common.metrics import Metric
from app.plotting.data import MatrixFigure, MatrixPanel
from app.plotting.numbers import weights
from app.report.aggregate import Aggregate, aggregate
from app.report.document import ExperimentSection, Picture
from app.report.findings import Findings
from app.report.lottery_run import LotteryRun
from app.report.metrics import column
from app.report.tables import NONE, Table
from app.runs.layout import DENSE, RANDOM_TICKET, TRANSFERRED
from app.runs.table import EARLY_STOP, Result

MOST = 4  # densities that are shown
NATIVE = "iterative"  # the method whose tickets an experiment has found itself


def transfer_section(lotteries: Sequence[LotteryRun]) -> list[ExperimentSection]:
    """The matrices as tables; empty where no ticket of another lottery was trained."""
    if not (targets := _targets(lotteries)):
        return []
    metric = _metric(targets)
    names = [lottery.name for lottery in targets]
    tables = [
        Table(
            caption=f"{metric.heading} by source and target, {_densities(targets, round_)}",
            header=("Ticket found on", *names),
            rows=[
                (row, *(_text(_cell(target, row, round_, metric), metric) for target in targets))
                for row in _rows(targets)
            ],
            words=(0,),
        )
        for round_ in _rounds(targets)
    ]
    basis = (
        "Each column is one experiment, on whose data all its networks are trained. A row is the lottery that has "
        "found the masks and the starting weights; where it is the experiment itself, its own iterative tickets. "
        "Random ticket: as many weights per layer in random places, with fresh weights. Means over networks, least and "
        "greatest in parentheses."
    )
    extent = f"Tickets of {', '.join(_sources(targets))} trained in {', '.join(names)}."
    return [
        ExperimentSection(
            name="transfer",
            heading="Transfer",
            extent=extent,
            findings=Findings(by_subject={}, basis=basis),
            tables=tables,
        )
    ]


def transfer_pictures(lotteries: Sequence[LotteryRun]) -> list[Picture]:
    """The matrices as a figure; empty where no ticket of another lottery was trained."""
    if not (targets := _targets(lotteries)):
        return []
    metric, rows = _metric(targets), _rows(targets)
    panels, said = [], []
    for round_ in _rounds(targets):
        cells = [[_cell(target, row, round_, metric) for target in targets] for row in rows]
        panels.append(
            MatrixPanel(
                name=_densities(targets, round_),
                values=[[nan if cell is None else cell.mean for cell in line] for line in cells],
                texts=[[NONE if cell is None else metric.number(cell.mean) for cell in line] for line in cells],
            )
        )
        for row, line in zip(rows, cells, strict=True):
            found = [
                f"{metric.write(cell.mean)} in {target.name}"
                for target, cell in zip(targets, line, strict=True)
                if cell is not None
            ]
            said.append(f"{_densities(targets, round_)}, {row}: {', '.join(found) or 'none'}.")
    return [
        Picture(
            stem="transfer",
            caption=f"{metric.heading} of tickets by the lottery that has found them (rows) and the experiment that "
            "they are trained in (columns). The darker, the higher in the column.",
            alt=f"{metric.title} by source and target. {' '.join(said)}",
            source=MatrixFigure(rows=rows, columns=[target.name for target in targets], panels=panels),
        )
    ]


def _targets(lotteries: Sequence[LotteryRun]) -> list[LotteryRun]:
    """All experiments where one of them has trained tickets of another lottery."""
    having = [lottery for lottery in lotteries if any(map(_is_transferred, lottery.methods))]
    sources = {name for lottery in having for name in _sources([lottery])}
    return [lottery for lottery in lotteries if lottery in having or lottery.name in sources] if having else []


def _is_transferred(method: str) -> bool:
    return method.startswith(TRANSFERRED)


def _sources(targets: Sequence[LotteryRun]) -> list[str]:
    found = [method for target in targets for method in target.methods if _is_transferred(method)]
    return list(dict.fromkeys(method.removeprefix(TRANSFERRED) for method in found))


def _rows(targets: Sequence[LotteryRun]) -> list[str]:
    """The names of all rows: lotteries that have found tickets, and what these are compared with."""
    own = [target.name for target in targets if NATIVE in target.methods]
    return [*dict.fromkeys([*own, *_sources(targets)]), "random ticket", "dense network"]


def _rounds(targets: Sequence[LotteryRun]) -> list[int]:
    """A few rounds at which tickets of another lottery were trained, evenly spread, the last among them."""
    rounds = sorted({row.round for target in targets for row in target.results if _is_transferred(row.method)})
    if len(rounds) <= MOST:
        return rounds
    return [rounds[round(place * (len(rounds) - 1) / (MOST - 1))] for place in range(MOST)]


def _metric(targets: Sequence[LotteryRun]) -> Metric:
    """The first metric that stands for a network, at early stop."""
    return column(targets[0].headline[0], EARLY_STOP)


def _densities(targets: Sequence[LotteryRun], round_: int) -> str:
    shares = [row.density for target in targets for row in target.results if row.round == round_]
    low, high = weights(min(shares)), weights(max(shares))
    return f"{low} % of weights" if low == high else f"{low} to {high} % of weights"


def _cell(target: LotteryRun, row: str, round_: int, metric: Metric) -> Aggregate | None:
    """The networks of a row in an experiment; None where there are none."""
    values = [result.value(metric.name) for result in target.results if _belongs(result, target, row, round_)]
    finite = [value for value in values if isfinite(value)]
    return aggregate(finite) if finite else None


def _belongs(result: Result, target: LotteryRun, row: str, round_: int) -> bool:
    if row == "dense network":
        return result.method == DENSE
    if result.round != round_:
        return False
    if row == "random ticket":
        return result.method.startswith(RANDOM_TICKET)
    return result.method == (NATIVE if row == target.name else f"{TRANSFERRED}{row}")


def _text(cell: Aggregate | None, metric: Metric) -> str:
    return NONE if cell is None else cell.number(metric)
