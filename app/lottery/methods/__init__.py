"""Methods, one file each: how the networks of a lottery come to their weights and masks."""

from app.lottery.methods.at_initialisation import AtInitialisation
from app.lottery.methods.continued import Continued
from app.lottery.methods.control import Control
from app.lottery.methods.dense import Dense
from app.lottery.methods.dense_continued import DenseContinued
from app.lottery.methods.fine_tuning import FineTuning
from app.lottery.methods.grasp import GraSPAtInit
from app.lottery.methods.iterative import Iterative
from app.lottery.methods.lr_rewinding import LRRewinding
from app.lottery.methods.magnitude_at_init import MagnitudeAtInit
from app.lottery.methods.method import Finished, Method, Origin, dense_key, ticket_key
from app.lottery.methods.one_shot import OneShot
from app.lottery.methods.random_at_init import RandomAtInit
from app.lottery.methods.random_balanced import RandomBalanced
from app.lottery.methods.random_erk import RandomERK
from app.lottery.methods.random_mask import RandomMask
from app.lottery.methods.random_reinit import RandomReinit
from app.lottery.methods.random_ticket import RandomTicket
from app.lottery.methods.reshuffled import Reshuffled
from app.lottery.methods.same_sign import SameSignReinit
from app.lottery.methods.shuffled_mask import ShuffledMask
from app.lottery.methods.snip import SNIPAtInit
from app.lottery.methods.synflow import SynFlowAtInit
from app.lottery.methods.transferred import Transferred
from app.lottery.methods.weights_only import WeightsOnly

# Class paths in configurations from before methods and scores had names of their own.
FORMER_NAMES: dict[str, type[Method]] = {
    "SNIP": SNIPAtInit,
    "GraSP": GraSPAtInit,
    "SynFlow": SynFlowAtInit,
    "SameSign": SameSignReinit,
}


def __getattr__(name: str) -> type[Method]:
    if name in FORMER_NAMES:
        return FORMER_NAMES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# In the order in which networks are trained and shown.
METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        *(Dense, Iterative, OneShot),
        *(LRRewinding, FineTuning, WeightsOnly, Continued),
        *(MagnitudeAtInit, RandomAtInit, SNIPAtInit, GraSPAtInit, SynFlowAtInit),
        DenseContinued,
        *(RandomReinit, RandomMask, RandomTicket, RandomERK, RandomBalanced, ShuffledMask, SameSignReinit, Reshuffled),
    )
}

__all__ = [
    "METHODS",
    "AtInitialisation",
    "Continued",
    "Control",
    "Dense",
    "DenseContinued",
    "FineTuning",
    "Finished",
    "GraSPAtInit",
    "Iterative",
    "LRRewinding",
    "MagnitudeAtInit",
    "Method",
    "OneShot",
    "Origin",
    "RandomAtInit",
    "RandomBalanced",
    "RandomERK",
    "RandomMask",
    "RandomReinit",
    "RandomTicket",
    "Reshuffled",
    "SNIPAtInit",
    "SameSignReinit",
    "ShuffledMask",
    "SynFlowAtInit",
    "Transferred",
    "WeightsOnly",
    "dense_key",
    "ticket_key",
]
