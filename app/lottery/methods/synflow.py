"""SynFlow (Tanaka et al. 2020)."""

from app.lottery.methods.at_initialisation import AtInitialisation
from app.pruning import scores


class SynFlowAtInit(AtInitialisation):
    """SynFlow (Tanaka et al. 2020): the weights go that carry least of a flow through the network, in many steps."""

    name = "synflow"
    label = "SynFlow"
    note = "pruned before training by synaptic flow in a hundred steps, all layers together"
    score = scores.SynFlow
