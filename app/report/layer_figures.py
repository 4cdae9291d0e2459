"""Figures of masks and of the initial weights that survive, layer by layer."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from app.common.metrics import Metric
from app.plotting.data import (
    Entry,
    HistogramPanel,
    HistogramsFigure,
    LayersFigure,
    Line,
    Mark,
    OverlapFigure,
    OverlapPanel,
)
from app.plotting.line_styles import LineStyle
from app.plotting.numbers import weights
from app.report.aggregate import aggregate
from app.report.document import Picture, file_stem
from app.report.layer_numbers import (
    HistogramRow,
    LayerNumbers,
    LayerRow,
    OverlapRow,
    chosen_layers,
    layer_titles,
    mean_of,
)
from app.report.methods import Methods
from app.runs.layout import DENSE

GROUP = "Masks and surviving weights"
DENSITY = Metric(name="layer_density", label="Layer's weights remaining", unit="%", scale=100.0, decimals=1, axis="log")
SIZE = Metric(name="initial_size", label="Initial size, relative to all", decimals=2)
SIGN = Metric(name="kept_sign", label="Survivors with their initial sign", unit="%", scale=100.0, decimals=1)
OVERLAP = Metric(name="mask_overlap", label="Mask overlap, relative to chance", decimals=2, axis="log")
CHANCE_STYLE = LineStyle("#5f6368", (0, (4, 3)), "")

Densities = Mapping[tuple[str, int], float]  # share of the network's weights remaining, by method and round


def layer_pictures(numbers: LayerNumbers, densities: Densities, methods: Methods, *, name: str = "") -> list[Picture]:
    """All figures of one lottery's masks and surviving weights.

    Args:
        numbers: what its files say.
        densities: of its networks.
        methods: all of them.
        name: of the lottery, where there are several.
    """
    drawing = _Drawing(numbers, densities, methods, name)
    return [
        *drawing.overlaps(numbers.replicates, "mask_overlap", "between replicates of a method"),
        *drawing.overlaps(
            _beside_tickets(numbers.methods, methods), "mask_overlap_methods", _of_tickets(numbers.methods, methods)
        ),
        *drawing.layers(DENSITY, lambda row: row.density or math.nan, "Density of each layer", distinct=True),
        *drawing.histograms(),
        *drawing.layers(
            SIZE,
            lambda row: row.size,
            "Mean absolute initial weight of the survivors of each layer, relative to that of all its weights",
            reference=1.0,
        ),
        *drawing.layers(
            SIGN, lambda row: row.kept_sign, "Share of survivors whose trained weight has the sign of the initial one"
        ),
    ]


class _Drawing:
    """What the figures of one lottery have in common."""

    def __init__(self, numbers: LayerNumbers, densities: Densities, methods: Methods, name: str) -> None:
        self.numbers, self.densities, self.methods, self.name = numbers, densities, methods, name
        self.titles = layer_titles(numbers.layers)
        self.chosen = chosen_layers(numbers.layers)

    def layers(
        self,
        metric: Metric,
        value: Callable[[LayerRow], float],
        caption: str,
        *,
        reference: float | None = None,
        distinct: bool = False,
    ) -> list[Picture]:
        """A number of each layer, a panel per method; with `distinct` methods of equal numbers share a panel."""
        panels: dict[str, dict[str, list[Mark]]] = {}
        drawn: dict[str, list[str]] = {}
        rows: dict[tuple[str, str, int], list[LayerRow]] = defaultdict(list)
        for row in self.numbers.rows:
            rows[row.method, row.layer, row.round].append(row)
        present = self.methods.in_order(row.method for row in self.numbers.rows)
        for method in (each for each in present if each != DENSE):
            panel = {self.titles[layer]: self._line(rows, method, layer, value) for layer in self.numbers.layers}
            if not any(panel.values()):
                continue
            twin = next((other for other in drawn if distinct and panels[other] == panel), None)
            drawn.setdefault(twin or method, []).append(self.methods.title(method))
            panels.setdefault(twin or method, panel)
        if not panels:
            return []
        named = {", ".join(drawn[method]): panel for method, panel in panels.items()}
        said = [
            f"{title}: {', '.join(f'{layer} {_end(metric, line)}' for layer, line in panel.items() if line)}."
            for title, panel in named.items()
        ]
        return [
            self._picture(
                metric.name,
                f"{caption}, by round: means over replicates, bands from least to greatest.",
                f"{metric.title} against % of weights remaining; values at the sparsest round. {' '.join(said)}",
                LayersFigure(
                    panels=named, metric=metric, layers=[self.titles[each] for each in self.chosen], reference=reference
                ),
            )
        ]

    def overlaps(self, rows: Sequence[OverlapRow], stem: str, what: str) -> list[Picture]:
        """Overlap of masks, a panel per layer."""
        whole = {key for key, density in self.densities.items() if density == 1}
        rows = [row for row in rows if (row.method, row.round) not in whole and row.jaccard > 0 and row.chance > 0]
        if not rows:
            return []
        present = self.methods.in_order(row.method for row in rows)
        found = (
            self._overlap_panel(layer, [row for row in rows if row.layer == layer], present) for layer in self.chosen
        )
        panels = [panel for panel in found if panel.lines]
        legend = [Entry(label=self.methods.title(name), line_style=self.methods.line_style(name)) for name in present]
        said = [
            f"{self.titles[layer]}: {', '.join(self._overlap_end(rows, layer, method) for method in present)}."
            for layer in self.chosen
        ]
        return [
            self._picture(
                stem,
                f"Mask overlap {what}: survivors that two masks share over those of either (Jaccard index), divided by "
                "what two independent masks of the same sizes have; means over pairs, bars from least to greatest. "
                f"The band is two standard deviations of one pair by chance wide on either side.{self._which_layers()}",
                f"Jaccard index of masks {what} at the sparsest round, and by chance. {' '.join(said)}",
                OverlapFigure(
                    panels=panels, metric=OVERLAP, legend=[*legend, Entry(label="chance", line_style=CHANCE_STYLE)]
                ),
            )
        ]

    def histograms(self) -> list[Picture]:
        """The initial weights of the tickets, a panel per layer."""
        rows = self.numbers.histograms
        if not rows:
            return []
        method = rows[0].method
        by_layer: dict[str, dict[int, list[HistogramRow]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            by_layer[row.layer][row.round].append(row)
        panels = [
            HistogramPanel(
                name=self.titles[layer],
                edges=[*(row.left for row in first), first[-1].right],
                everything=_per_unit(first, lambda row: row.weights),
                survivors={
                    round_: _per_unit(some, lambda row: row.survivors) for round_, some in by_layer[layer].items()
                },
            )
            for layer in self.chosen
            if (first := next(iter(by_layer[layer].values()), []))
        ]
        rounds = sorted({row.round for row in rows})
        last = [row for row in self.numbers.rows if (row.method, row.round) == (method, rounds[-1])]
        share = [
            f"{self.titles[layer]} {100 * mean_of(some, lambda row: row.positive):.1f} %"
            for layer in self.chosen
            if (some := [row for row in last if row.layer == layer])
        ]
        title = self.methods.title(method)
        return [
            self._picture(
                "initial_weights",
                f"Initial weights that survive in {title} tickets, at some of the densities, beside all (grey), over "
                f"all replicates; every area is 1.{self._which_layers()}",
                f"Distribution of the surviving initial weights of {title} tickets by layer. Positive ones among them "
                f"at the sparsest round: {', '.join(share)}.",
                HistogramsFigure(
                    panels=panels, densities={round_: self.densities[method, round_] for round_ in rounds}
                ),
            )
        ]

    def _line(
        self,
        rows: Mapping[tuple[str, str, int], Sequence[LayerRow]],
        method: str,
        layer: str,
        value: Callable[[LayerRow], float],
    ) -> list[Mark]:
        """The points of one layer by round, the dense network's first."""
        keys = [key for key in rows if key[1] == layer and key[0] in (DENSE, method)]
        marks = []
        for key in sorted(keys, key=lambda key: key[2]):
            values = [number for row in rows[key] if not math.isnan(number := value(row))]
            if values:
                marks.append(aggregate(values).mark(self.densities[key[0], key[2]]))
        return marks if any(mark.x < 1 for mark in marks) else []

    def _overlap_panel(self, layer: str, rows: Sequence[OverlapRow], present: Sequence[str]) -> OverlapPanel:
        lines: list[Line] = []
        chances: dict[tuple[tuple[float, float], ...], Line] = {}
        for method in present:
            by_round: dict[int, list[OverlapRow]] = defaultdict(list)
            for row in rows:
                if row.method == method:
                    by_round[row.round].append(row)
            if not by_round:
                continue
            style = self.methods.line_style(method)
            marks, chance = [], []
            for round_, some in sorted(by_round.items()):
                x = self.densities[method, round_]
                marks.append(aggregate([row.jaccard / row.chance for row in some]).mark(x))
                low, high = mean_of(some, _low), mean_of(some, _high)
                chance.append(Mark(x=x, mean=1.0, low=low, high=high))
            lines.append(Line(line_style=style, marks=marks))
            band = tuple((round(mark.low, 3), round(mark.high, 3)) for mark in chance)
            chances.setdefault(band, Line(line_style=LineStyle(style.colour, CHANCE_STYLE.line, ""), marks=chance))
        # Methods of the same layer densities have one band, which is grey; else each has its own in its colour.
        grey = [Line(line_style=CHANCE_STYLE, marks=line.marks) for line in chances.values()]
        return OverlapPanel(
            name=self.titles[layer], lines=lines, chances=grey if len(grey) == 1 else list(chances.values())
        )

    def _overlap_end(self, rows: Sequence[OverlapRow], layer: str, method: str) -> str:
        mine = [row for row in rows if (row.layer, row.method) == (layer, method)]
        last = [row for row in mine if row.round == max(each.round for each in mine)]
        index, chance = mean_of(last, lambda row: row.jaccard), mean_of(last, lambda row: row.chance)
        return f"{self.methods.title(method)} {index:.3f} (chance {chance:.3f})"

    def _which_layers(self) -> str:
        """A remark where not all layers are shown."""
        if len(self.chosen) == len(self.numbers.layers):
            return ""
        return f" {len(self.chosen)} of {len(self.numbers.layers)} layers, evenly spread; the CSV file has all."

    def _picture(
        self, stem: str, caption: str, alt: str, source: LayersFigure | OverlapFigure | HistogramsFigure
    ) -> Picture:
        whose = f"{self.name}: " if self.name else ""
        return Picture(
            stem=file_stem(f"{self.name}_{stem}" if self.name else stem),
            caption=f"{whose}{caption}",
            alt=f"{whose}{alt}",
            source=source,
            group=GROUP,
            of=self.name,
        )


def _beside_tickets(rows: Sequence[OverlapRow], methods: Methods) -> list[OverlapRow]:
    """The pairs of which one mask is that of the tickets that stand for the lottery, each named for the other."""
    tickets = methods.tickets({name for row in rows for name in (row.method, row.against)})
    return [row for row in rows if row.against == tickets]


def _of_tickets(rows: Sequence[OverlapRow], methods: Methods) -> str:
    tickets = methods.tickets({name for row in rows for name in (row.method, row.against)})
    return f"with {methods.title(tickets)} tickets of the same replicate" if tickets else ""


def _per_unit(rows: Sequence[HistogramRow], count: Callable[[HistogramRow], int]) -> list[float]:
    """Shares per unit of weight: an area of 1; zeros where there is nothing."""
    total = sum(map(count, rows)) or 1
    return [count(row) / total / (row.right - row.left) for row in rows]


def _low(row: OverlapRow) -> float:
    return row.low / row.chance


def _high(row: OverlapRow) -> float:
    return row.high / row.chance


def _end(metric: Metric, line: Sequence[Mark]) -> str:
    return f"{metric.write(line[-1].mean)} at {weights(line[-1].x)} %"
