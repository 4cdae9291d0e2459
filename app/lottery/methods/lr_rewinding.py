"""Learning-rate rewinding (Renda, Frankle & Carbin 2020)."""

from app.lottery.methods.chain import TrainedOn


class LRRewinding(TrainedOn):
    """Prune a little and keep the trained weights; only the schedule begins again.

    At the dense training's full length this is the algorithm that the paper recommends. The optimiser is
    new every round, as for tickets.
    """

    name = "lr_rewinding"
    label = "LR rewinding"
    note = "pruned a little every round, the survivors trained on with the learning rates of the schedule again"
