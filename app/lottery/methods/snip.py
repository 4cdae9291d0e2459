"""SNIP (Lee, Ajanthan, Torr 2019)."""

from app.lottery.methods.at_initialisation import AtInitialisation
from app.pruning import scores


class SNIPAtInit(AtInitialisation):
    """SNIP (Lee, Ajanthan, Torr 2019): the weights go that the loss of one batch depends on least."""

    name = "snip"
    label = "SNIP"
    note = "pruned before training by |w g| on one batch, all layers together"
    score = scores.SNIP
