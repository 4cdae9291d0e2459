"""Many networks of one architecture, trained at once on one device: pure functions and classes on tensors."""

from app.stacked.evaluation import EvaluationSet, Means, evaluate
from app.stacked.flat import FlatLayout
from app.stacked.networks import StackedNetworks, check_stackable, stack
from app.stacked.optimizer import Clipping, stacked_optimizer
from app.stacked.orders import Orders
from app.stacked.training import StackedTraining

__all__ = [
    "Clipping",
    "EvaluationSet",
    "FlatLayout",
    "Means",
    "Orders",
    "StackedNetworks",
    "StackedTraining",
    "check_stackable",
    "evaluate",
    "stack",
    "stacked_optimizer",
]
