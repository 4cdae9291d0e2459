"""Figures of what pruning leaves of gates, and of units by their rank in the order of an ON-LSTM."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from app.common.metrics import Metric
from app.plotting.data import CurvesFigure, CurvesGroup, CurvesPanel, LayersFigure, Mark
from app.plotting.line_styles import LineStyle
from app.report.aggregate import aggregate
from app.report.document import Picture, file_stem
from app.report.gate_numbers import ROWS, GateRow
from app.report.layer_figures import GROUP, Densities
from app.report.layer_numbers import layer_titles
from app.report.methods import Methods
from app.runs.layout import DENSE

DENSITY = Metric(name="gate_density", label="Gate's weights remaining", unit="%", scale=100.0, decimals=1, axis="log")
RANK = Metric(name="rank_density", label="Weights remaining, relative to all", decimals=2)
HEADING = "Rank of the units, lowest first"


def gate_pictures(
    rows: Sequence[GateRow], method: str, rounds: Sequence[int], densities: Densities, methods: Methods, name: str = ""
) -> list[Picture]:
    """Density of each gate against the network's, and of the units of each rank at some of the rounds.

    Args:
        rows: of one lottery.
        method: of the tickets that are drawn.
        rounds: those at which ranks are drawn.
        densities: of the networks, by method and round.
        methods: all of them.
        name: of the lottery, where there are several.
    """
    mine = [row for row in rows if row.method in (DENSE, method)]
    titles = layer_titles(list(dict.fromkeys(row.weight for row in mine)))
    whose = f"{name}: " if name else ""
    prefix = f"{file_stem(name)}_" if name else ""
    found = []
    if gates := _gates(mine, titles, densities):
        told = " ".join(
            f"{title}: {', '.join(f'{gate} {DENSITY.write(line[-1].mean)}' for gate, line in panel.items())}."
            for title, panel in gates.items()
        )
        found.append(
            Picture(
                stem=f"{prefix}{DENSITY.name}",
                caption=f"{whose}Density of each gate's weights in {methods.title(method)} tickets, by round: means "
                "over replicates, bands from least to greatest.",
                alt=f"{DENSITY.title} against % of weights remaining; values at the sparsest round. {told}",
                source=LayersFigure(
                    panels=gates,
                    metric=DENSITY,
                    layers=list(dict.fromkeys(gate for panel in gates.values() for gate in panel)),
                    title="Gate",
                ),
                group=GROUP,
                of=name,
            )
        )
    if ranks := _ranks(mine, titles, [each for each in rounds if each], methods.line_style(method)):
        told = " ".join(
            f"{panel.name}: lowest {line[0].mean:.2f}, highest {line[-1].mean:.2f}."
            for panel in ranks
            if (line := panel.curves[max(panel.curves)])
        )
        shown = sorted({round_ for panel in ranks for round_ in panel.curves})
        found.append(
            Picture(
                stem=f"{prefix}{RANK.name}",
                caption=f"{whose}Weights into the units of each rank (rows) and out of them (columns of the recurrent "
                f"weights) in {methods.title(method)} tickets, relative to those of all ranks, at some of the "
                "densities; units of a high rank are those that the master forget gate keeps longest.",
                alt=f"{RANK.title} by rank; lowest and highest rank at the sparsest of the rounds. {told}",
                source=CurvesFigure(
                    groups=[
                        CurvesGroup(title="", panels=ranks, densities={each: densities[method, each] for each in shown})
                    ],
                    metric=RANK,
                    heading=HEADING,
                ),
                group=GROUP,
                of=name,
            )
        )
    return found


def _gates(
    rows: Sequence[GateRow], titles: Mapping[str, str], densities: Densities
) -> dict[str, dict[str, list[Mark]]]:
    """By weight and gate the density at every round."""
    values: dict[tuple[str, str], dict[tuple[str, int], list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.rank == 0:
            values[row.weight, row.part][row.method, row.round].append(row.survivors / row.weights)
    panels: dict[str, dict[str, list[Mark]]] = defaultdict(dict)
    for (weight, gate), by_network in values.items():
        order = sorted(by_network, key=lambda key: key[1])
        line = [aggregate(by_network[key]).mark(densities[key]) for key in order if min(by_network[key]) > 0]
        if any(mark.x < 1 for mark in line):
            panels[titles[weight]][gate] = line
    return dict(panels)


def _ranks(
    rows: Sequence[GateRow], titles: Mapping[str, str], rounds: Sequence[int], line_style: LineStyle
) -> list[CurvesPanel]:
    """A panel for each weight and side: density of a rank over that of all ranks of the same network."""
    sides: dict[tuple[str, str], dict[tuple[int, int], dict[int, GateRow]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        if row.rank and row.round in rounds:
            sides[row.weight, row.part][row.round, row.replicate][row.rank] = row
    panels = []
    for (weight, side), networks in sides.items():
        values: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for (round_, _), by_rank in networks.items():
            total = sum(row.survivors for row in by_rank.values()) / sum(row.weights for row in by_rank.values())
            for rank, row in by_rank.items():
                if total > 0:
                    values[round_][rank].append(row.survivors / row.weights / total)
        curves = {
            round_: [aggregate(some).mark(rank) for rank, some in sorted(by_rank.items())]
            for round_, by_rank in sorted(values.items())
        }
        if curves:
            name = f"{titles[weight]}, {'into' if side == ROWS else 'out of'} units"
            panels.append(CurvesPanel(name=name, line_style=line_style, curves=curves, behind={}))
    return panels
