"""GraSP (Wang, Zhang, Grosse 2020)."""

from app.lottery.methods.at_initialisation import AtInitialisation
from app.pruning import scores


class GraSP(AtInitialisation):
    """GraSP (Wang, Zhang, Grosse 2020): the weights go whose removal raises the norm of the gradient most."""

    name = "grasp"
    label = "GraSP"
    note = "pruned before training by w (H g) on one batch, all layers together"
    score = scores.GraSP
