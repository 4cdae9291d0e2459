"""Magnitude pruning at initialisation."""

from app.lottery.methods.at_initialisation import AtInitialisation
from app.pruning import scores


class MagnitudeAtInit(AtInitialisation):
    """Magnitude pruning at initialisation: the smallest weights go."""

    name = "magnitude_at_init"
    label = "magnitude at init"
    note = "pruned before training by magnitude, all layers together"
    score = scores.Magnitude
