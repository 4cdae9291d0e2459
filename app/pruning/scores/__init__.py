"""Scores: which weights a pruning keeps, one file each."""

from app.pruning.scores.checked import checked_scores
from app.pruning.scores.magnitude import Magnitude
from app.pruning.scores.random_order import RandomOrder
from app.pruning.scores.score import Gradients, Score

SCORES: dict[str, type[Score]] = {"magnitude": Magnitude}

__all__ = ["SCORES", "Gradients", "Magnitude", "RandomOrder", "Score", "checked_scores"]
