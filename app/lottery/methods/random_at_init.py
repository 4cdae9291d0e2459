"""Random pruning at initialisation."""

from app.lottery.methods.at_initialisation import AtInitialisation
from app.pruning import scores


class RandomAtInit(AtInitialisation):
    """Random pruning at initialisation: weights of all layers go alike."""

    name = "random_at_init"
    label = "random at init"
    note = "pruned before training at random, all layers together"
    score = scores.Random
