"""How long networks take that are trained at once, from a first stretch that is thrown away."""

import time

import torch
from lightning.pytorch import LightningDataModule, LightningModule

from app.common.prunable import prunable_parameters
from app.common.states import plain_parameters
from app.lottery.job import Job
from app.lottery.plan import Plan
from app.lottery.stacks.data import Gathered
from app.lottery.stacks.group import Group, Place, prepared
from app.runs.layout import NetworkKey
from callbacks import IterativePruningCallback


def seconds_at_once(plan: Plan, model: LightningModule, data: LightningDataModule, place: Place) -> dict[int, float]:
    """Seconds of a training by the number of networks at once, of one and of the largest group.

    Args:
        plan: of the lottery.
        model: its module.
        data: what it is trained on.
        place: where.
    """
    ticket = IterativePruningCallback(plan.settings.rates, plan.settings.scope)
    parameters = plain_parameters(model)
    pruned = {name: parameters[name] for name in prunable_parameters(model)}
    half = {name: torch.arange(weight.numel()).view(weight.shape) % 2 == 0 for name, weight in pruned.items()}
    ticket.adopt(half, round=1)
    job = Job(key=NetworkKey(0, "dense", 0), start={}, ticket=ticket, seeds={"split": 0, "order": 0})
    stretch = -(-plan.iterations // max(1, plan.rows - 1))
    found, gathered = {}, Gathered()
    for size in sorted({1, max(plan.groups(), default=1)}):
        group = Group(model, data, [prepared(model, job)] * size, place, gathered)
        found[size] = _seconds(group, stretch) / stretch * plan.iterations
    return found


def _seconds(group: Group, iterations: int) -> float:
    """How long a group takes for some iterations, of which nothing is kept.

    Args:
        group: to train.
        iterations: a few of them; with as many validations as belong to them.
    """
    times = []
    for _ in range(2):  # in the first one, kernels are loaded
        began, end = time.monotonic(), group.training.iteration + iterations
        while group.training.iteration < end:
            following = group.validations.next(group.training.iteration, end)
            group.training.advance(following - group.training.iteration)
            if group.validations.follows(following):
                group.validate()["val_loss"].cpu()
        group.training.flat.detach().sum().item()
        times.append(time.monotonic() - began)
    return times[-1]
