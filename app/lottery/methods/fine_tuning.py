"""Fine-tuning (Renda, Frankle & Carbin 2020)."""

from app.lottery.methods.chain import TrainedOn


class FineTuning(TrainedOn):
    """Prune a little, keep the trained weights, and train on at the learning rate of the last iteration.

    That rate is the one that the dense training's last step had, whatever set it. The optimiser is new every round.
    """

    name = "fine_tuning"
    label = "fine-tuning"
    note = "pruned a little every round, the survivors trained on at the last learning rate of the schedule"
    at_last_rate = True
