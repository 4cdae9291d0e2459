"""The options of the lottery, `--pruning.*`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from app.common.errors import UserError
from app.pruning.select import check_rates
from app.pruning.when import When
from app.runs.layout import NetworkKey

Method = Literal["iterative", "one_shot"]
Kept = Literal["final", "start"]


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """What is pruned, how often, and which networks are trained.

    Args:
        rounds: number of prunings, so rounds + 1 networks; round 0 is the dense one.
        rates: share of the surviving weights removed per round, by layer kind, such as fc: 0.2.
        scope: rank weights within each layer (layerwise) or across all layers of a kind (global).
        rewind_to: the moment whose weights survivors return to: 0it (the paper), 500it, 2ep.
        methods: how tickets are found: iterative, one_shot, or both.
        random_reinit: control networks per iterative ticket with its mask and fresh weights.
        random_mask: control networks per iterative ticket with its layer densities in random places.
        replicates: fresh draws of initialisation, data split and data order.
        keep: weights kept of each network besides its mask: final (trained), start (before training). Each costs
            4 bytes per weight and network; the plan says the sum.
        plan: print what would be trained, with estimated time and disk, and stop.
        workers: processes that train networks side by side, each with --threads threads; the results stay the same to
            the bit. For trainings on one CPU.
        oversubscribe: allow more workers x threads than there are cores.
    """

    rounds: int = 15
    rates: dict[str, float] = field(default_factory=lambda: {"fc": 0.2, "output": 0.1})
    scope: Literal["layerwise", "global"] = "layerwise"
    rewind_to: str = "0it"
    methods: list[Method] = field(default_factory=lambda: ["iterative"])
    random_reinit: int = 0
    random_mask: int = 0
    replicates: int = 1
    keep: list[Kept] = field(default_factory=lambda: ["final"])
    plan: bool = False
    workers: int = 1
    oversubscribe: bool = False

    def __post_init__(self) -> None:
        check_rates(self.rates)
        When.parse(self.rewind_to)
        for name, least in {"rounds": 0, "random_reinit": 0, "random_mask": 0, "replicates": 1, "workers": 1}.items():
            if getattr(self, name) < least:
                raise UserError(f"pruning.{name} is {getattr(self, name)}; the least that makes sense is {least}")
        if "iterative" in self.methods:
            return
        if self.random_reinit or self.random_mask:
            raise UserError("random_reinit and random_mask are controls of iterative tickets; add iterative to methods")
        if self.scope == "global" and self.methods:
            raise UserError(
                "one_shot takes its layer counts from iterative; with scope: global add iterative to methods"
            )

    def networks(self) -> Iterator[NetworkKey]:
        """All networks to train, each after those that it is made from; one method and branch after the other."""
        rounds = range(1, self.rounds + 1)
        for replicate in range(self.replicates):
            yield NetworkKey(replicate, "dense", 0)
            for method in ("iterative", "one_shot"):
                if method in self.methods:
                    yield from (NetworkKey(replicate, method, round) for round in rounds)
            for method in ("random_reinit", "random_mask"):
                for branch in range(getattr(self, method)):
                    yield from (NetworkKey(replicate, method, round, branch) for round in rounds)
