"""Rewinding of weights without the learning rate (Renda, Frankle & Carbin 2020, `lr_lottery` in their data)."""

from app.lottery.methods.chain import Chain


class WeightsOnly(Chain):
    """Prune a little and rewind the survivors, but train them at the learning rate of the last iteration.

    That rate is the one that the dense training's last step had, whatever set it. Length and data order are those of
    tickets.
    """

    name = "weights_only"
    label = "weights-only rewinding"
    note = "pruned a little every round, the survivors rewound and trained at the last learning rate of the schedule"
    at_last_rate = True
