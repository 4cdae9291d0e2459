"""Methods, one file each: how the networks of a lottery come to their weights and masks."""

from app.lottery.methods.control import Control
from app.lottery.methods.dense import Dense
from app.lottery.methods.iterative import Iterative
from app.lottery.methods.method import Finished, Method, Origin, dense_key, ticket_key
from app.lottery.methods.one_shot import OneShot
from app.lottery.methods.random_mask import RandomMask
from app.lottery.methods.random_reinit import RandomReinit

# In the order in which networks are trained and shown.
METHODS: dict[str, type[Method]] = {
    method.name: method for method in (Dense, Iterative, OneShot, RandomReinit, RandomMask)
}

__all__ = [
    "METHODS",
    "Control",
    "Dense",
    "Finished",
    "Iterative",
    "Method",
    "OneShot",
    "Origin",
    "RandomMask",
    "RandomReinit",
    "dense_key",
    "ticket_key",
]
