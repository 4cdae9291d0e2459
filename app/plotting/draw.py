"""Draws the figure of any of the classes of `app.plotting.data`."""

from matplotlib.figure import Figure

from app.plotting.bars import bars_figure
from app.plotting.curves import curves_figure
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
from app.plotting.density import density_figure
from app.plotting.histograms import histograms_figure
from app.plotting.iterations import iterations_figure
from app.plotting.layers import layers_figure
from app.plotting.matrix import matrix_figure
from app.plotting.operators import operators_figure
from app.plotting.overlap import overlap_figure
from app.plotting.style import style


def draw(data: FigureData) -> Figure:
    """A figure, which `app.plotting.canvas.render` makes a file of."""
    with style():
        match data:
            case DensityFigure():
                return density_figure(data)
            case CurvesFigure():
                return curves_figure(data)
            case IterationsFigure():
                return iterations_figure(data)
            case OperatorsFigure():
                return operators_figure(data)
            case LayersFigure():
                return layers_figure(data)
            case OverlapFigure():
                return overlap_figure(data)
            case HistogramsFigure():
                return histograms_figure(data)
            case MatrixFigure():
                return matrix_figure(data)
            case BarsFigure():
                return bars_figure(data)
