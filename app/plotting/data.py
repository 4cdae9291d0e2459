"""What figures are drawn from: points, lines and panels in plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.common.metrics import Metric
from app.plotting.line_styles import LineStyle


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One point of a line, over some networks.

    Args:
        x: where on the horizontal axis.
        mean: mean of the value over the networks.
        low: least value.
        high: greatest value.
        n: how many networks.
        bound: whether it is only a lower bound.
    """

    x: float
    mean: float
    low: float
    high: float
    n: int = 1
    bound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line in its style; the points from left to right."""

    line_style: LineStyle
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a legend: plain text, in which nothing is markup.

    Args:
        label: what is written.
        line_style: of the lines that it explains.
        name: what charts filter these lines by; the label where it is empty.
    """

    label: str
    line_style: LineStyle
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkValue:
    """One network's point against weights remaining, for charts that choose among networks.

    Args:
        experiment: its name.
        method: what its method is called, as in the legend.
        replicate: its replicate.
        branch: its number among the controls of one ticket.
        round: its number of prunings.
        density: where it is drawn, a share of 1.
        value: of the figure's metric.
        bound: whether that is only a lower bound.
    """

    experiment: str
    method: str
    replicate: int
    branch: int
    round: int
    density: float
    value: float
    bound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCurve:
    """One network's values over iterations, for charts that choose among networks.

    Args:
        experiment: its name.
        method: what its method is called; empty for a training by `fit`.
        replicate: its replicate, or its seed.
        branch: its number among the controls of one ticket.
        round: its number of prunings.
        density: the share of weights remaining; None for a training by `fit`.
        numbers: what points are compared by between networks: the iteration, or the number of the validation.
        iterations: of the points.
        values: of the figure's metric.
        running: whether it is still being trained.
    """

    experiment: str
    method: str
    replicate: int
    branch: int
    round: int
    density: float | None
    numbers: Sequence[int]
    iterations: Sequence[float]
    values: Sequence[float]
    running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityPanel:
    """The lines of one experiment against weights remaining.

    Args:
        name: above the panel; empty for none.
        dense: the dense network's point, where every line begins; its `x` is 1.
        lines: of the methods, without the dense point, by density from dense to sparse.
        experiment: whose lines they are; empty where the figure has one experiment.
    """

    name: str
    dense: Mark | None
    lines: Sequence[Line]
    experiment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityFigure:
    """One metric against weights remaining.

    Args:
        panels: one per experiment, at least one.
        metric: what is drawn.
        legend: the methods of all panels.
        from_zero: whether the vertical axis begins at 0.
        cut: whether bars may leave the frame, so that long ones do not flatten the lines.
        networks: the single networks behind the lines, as far as the figure is made from such.
    """

    panels: Sequence[DensityPanel]
    metric: Metric
    legend: Sequence[Entry]
    from_zero: bool = False
    cut: bool = False
    networks: Sequence[NetworkValue] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvesPanel:
    """Learning curves of one method.

    Args:
        name: of the panel.
        line_style: of the method; only its dashes are used, as the colour tells the density.
        curves: by round.
        behind: curves by round to compare with, drawn thin; empty where there are none.
        method: what the method is called.
        compared: what the method behind is called; empty where there is none.
    """

    name: str
    line_style: LineStyle
    curves: Mapping[int, Sequence[Mark]]
    behind: Mapping[int, Sequence[Mark]]
    method: str = ""
    compared: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvesGroup:
    """The panels of one experiment, which share a scale and a legend.

    Args:
        title: of the legend.
        panels: one per method, at least one.
        densities: by round, of all rounds that have a curve.
        experiment: its name.
    """

    title: str
    panels: Sequence[CurvesPanel]
    densities: Mapping[int, float]
    experiment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvesFigure:
    """One metric over iterations at some densities, one panel per method, one group per experiment.

    Args:
        groups: at least one.
        metric: what is drawn.
        heading: of the horizontal axis where it has whole numbers and not iterations.
        networks: the single networks of all densities, as far as the figure is made from such.
    """

    groups: Sequence[CurvesGroup]
    metric: Metric
    heading: str = ""
    networks: Sequence[NetworkCurve] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationsFigure:
    """Values over iterations, a line per experiment that has measured them.

    Args:
        panels: lines by the name of the panel, which is shown where there are several; they share their axes.
        metric: of one of the panels; all have its scale.
        heading: of the vertical axis.
        legend: the experiments that have a line in some panel.
        networks: by the name of the panel the single trainings behind its lines, as far as it is made from such.
    """

    panels: Mapping[str, Sequence[Line]]
    metric: Metric
    heading: str
    legend: Sequence[Entry]
    networks: Mapping[str, Sequence[NetworkCurve]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorsFigure:
    """Accuracy against number of operators.

    Args:
        lines: one per experiment.
        metric: of the accuracies.
        baselines: accuracy of always answering with the most frequent class, by number of operators.
        ticks: what each number of operators is called.
        trained: the most operators that were trained on, shaded up to there; None where that is not known.
        legend: the experiments.
    """

    lines: Sequence[Line]
    metric: Metric
    baselines: Sequence[Sequence[tuple[int, float]]]
    ticks: Mapping[int, str]
    trained: int | None
    legend: Sequence[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayersFigure:
    """A number of each layer against the network's weights remaining, a line per layer, coloured by depth.

    Args:
        panels: one per method: by name of the layer its points, from input to output.
        metric: what is drawn.
        layers: names in the legend; layers between them have colours between theirs.
        reference: a level to be marked, such as that of all weights; None for none.
        title: of the legend.
    """

    panels: Mapping[str, Mapping[str, Sequence[Mark]]]
    metric: Metric
    layers: Sequence[str]
    reference: float | None = None
    title: str = "Layer, from input to output"


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapPanel:
    """What masks of one layer have in common.

    Args:
        name: of the layer.
        lines: one per method, against the network's weights remaining.
        chances: what independent masks have, with a band; one where all methods have the same.
    """

    name: str
    lines: Sequence[Line]
    chances: Sequence[Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapFigure:
    """Overlap of masks against weights remaining: a panel per layer.

    Args:
        panels: at least one.
        metric: of the overlap.
        legend: the methods, and chance.
    """

    panels: Sequence[OverlapPanel]
    metric: Metric
    legend: Sequence[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramPanel:
    """Initial weights of one layer.

    Args:
        name: of the layer.
        edges: of the bins, one more than there are bins.
        everything: the share of all weights per unit of weight, by bin.
        survivors: the share of survivors per unit of weight, by round and bin.
    """

    name: str
    edges: Sequence[float]
    everything: Sequence[float]
    survivors: Mapping[int, Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramsFigure:
    """Distributions of initial weights, a panel per layer.

    Args:
        panels: at least one.
        densities: by round, of all rounds that are drawn.
    """

    panels: Sequence[HistogramPanel]
    densities: Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixPanel:
    """Numbers by row and column.

    Args:
        name: above the panel.
        values: by row and column; nan where there is none.
        texts: what stands in the cells.
    """

    name: str
    values: Sequence[Sequence[float]]
    texts: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixFigure:
    """Matrices with the same rows and columns.

    Args:
        rows: their names.
        columns: their names.
        panels: at least one.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    panels: Sequence[MatrixPanel]


@dataclass(frozen=True, slots=True, kw_only=True)
class BarsRow:
    """One quantity of several experiments.

    Args:
        heading: of the group of rows that it stands in; empty for none.
        name: of the row.
        marks: one per experiment, whose `x` counts for nothing; None for no bar.
    """

    heading: str
    name: str
    marks: Sequence[Mark | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BarsFigure:
    """Many quantities of a few experiments.

    Args:
        rows: at least one; those of one heading follow each other.
        metric: of all values, a share of 1.
        reference: a value to be marked, such as chance.
        experiments: their names, in the order of the marks.
    """

    rows: Sequence[BarsRow]
    metric: Metric
    reference: float
    experiments: Sequence[str]


FigureData = (
    DensityFigure
    | CurvesFigure
    | IterationsFigure
    | OperatorsFigure
    | LayersFigure
    | OverlapFigure
    | HistogramsFigure
    | MatrixFigure
    | BarsFigure
)
