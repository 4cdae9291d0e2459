"""Makes the interactive chart of any of the classes of `app.plotting.data`."""

from app.charts.bars import bars_chart, matrix_chart, operators_chart
from app.charts.chart import Chart
from app.charts.curves import curves_chart, iterations_chart
from app.charts.density import density_chart
from app.charts.layers import histograms_chart, layers_chart, overlap_chart
from app.plotting.data import (
    BarsFigure,
    CurvesFigure,
    DensityFigure,
    FigureData,
    HistogramsFigure,
    IterationsFigure,
    LayersFigure,
    MatrixFigure,
    OperatorsFigure,
    OverlapFigure,
)


def chart_of(data: FigureData) -> Chart | None:
    """The interactive chart; None for a figure over iterations that does not have the single networks' values."""
    match data:
        case DensityFigure():
            return density_chart(data)
        case CurvesFigure():
            return curves_chart(data) if data.networks else None
        case IterationsFigure():
            return iterations_chart(data) if data.networks else None
        case OperatorsFigure():
            return operators_chart(data)
        case LayersFigure():
            return layers_chart(data)
        case OverlapFigure():
            return overlap_chart(data)
        case HistogramsFigure():
            return histograms_chart(data)
        case MatrixFigure():
            return matrix_chart(data)
        case BarsFigure():
            return bars_chart(data)
