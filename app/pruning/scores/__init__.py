"""Scores: which weights a pruning keeps, one file each."""

from app.pruning.scores.checked import checked_scores
from app.pruning.scores.grasp import GraSP
from app.pruning.scores.inverted import Inverted
from app.pruning.scores.magnitude import Magnitude
from app.pruning.scores.magnitude_increase import MagnitudeIncrease
from app.pruning.scores.movement import Movement
from app.pruning.scores.random import Random
from app.pruning.scores.random_order import RandomOrder
from app.pruning.scores.same_sign import SameSign
from app.pruning.scores.score import Gradients, Score
from app.pruning.scores.snip import SNIP
from app.pruning.scores.synflow import SynFlow

SCORES: dict[str, type[Score]] = {
    "magnitude": Magnitude,
    "magnitude_increase": MagnitudeIncrease,
    "movement": Movement,
    "same_sign": SameSign,
    "random": Random,
    "snip": SNIP,
    "grasp": GraSP,
    "synflow": SynFlow,
}

__all__ = [
    "SCORES",
    "SNIP",
    "GraSP",
    "Gradients",
    "Inverted",
    "Magnitude",
    "MagnitudeIncrease",
    "Movement",
    "Random",
    "RandomOrder",
    "SameSign",
    "Score",
    "SynFlow",
    "checked_scores",
]
