"""The options of the lottery, `--pruning.*`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from app.common.errors import UserError
from app.common.plugins import build
from app.lottery.launch_options import LaunchOptions
from app.lottery.methods import METHODS, Dense, Method, RandomTicket, Transferred
from app.lottery.only import Only
from app.lottery.sparse import check_limits
from app.pruning import SCORES, Pool, Score, When, check_rates, pool_schedule, usual_rates
from app.runs.layout import NetworkKey

Kept = Literal["final", "start", "best"]

# More than anybody can train, and few enough to list.
MOST_NETWORKS = 1_000_000

# What may grow in a run directory: more of it makes more networks or files, and changes none that is there.
GROWING = (
    *("rounds", "replicates", "random_reinit", "random_mask", "random_ticket"),
    *("methods", "from_ticket", "keep"),
)

# What concerns one command and not the experiment.
OF_COMMAND = ("only", "launch", "launch_options")


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """What is pruned, how often, and which networks are trained.

    Args:
        rounds: number of prunings, so rounds + 1 networks; round 0 is the dense one.
        rates: share of the surviving weights removed per round, by layer kind, such as fc: 0.2; where it is left out
            0.2, and 0.1 for the output layer.
        scope: rank weights within each layer (layerwise), across the layers of each kind, each kind at its own rate
            (kind), or across all layers at one rate (global).
        least_per_layer: number of weights that every layer keeps, or all where it has fewer.
        rewind_to: the moment whose weights survivors return to: 0it (the paper), 500it, 2ep.
        resume_schedule: tickets rewound to a later moment than 0 train on from there, with the schedule and the data
            order of that moment (Frankle et al. 2020); if false, they train the full length from iteration 0.
        score: which weights are kept: magnitude, magnitude_increase, movement, same_sign, random, snip, grasp, synflow,
            or the class_path of a Score of your own.
        methods: how tickets are found: iterative, one_shot, lr_rewinding, fine_tuning, weights_only, continued,
            magnitude_at_init, random_at_init, snip, grasp, synflow, or the class_path of a Method of your own.
        random_reinit: control networks per iterative ticket with its mask and fresh weights.
        random_mask: control networks per iterative ticket with its layer densities in random places.
        from_ticket: tickets of other run directories that are trained here, one path or a list: of a ticket
            (runs/X/replicate_0/iterative/round_07), of all of a method (runs/X/replicate_0/iterative), or runs/X, of
            which each replicate takes the iterative tickets of its own number.
        random_ticket: control networks per ticket of another run, with its layer densities in random places and fresh
            weights.
        replicates: fresh draws of initialisation, data split and data order.
        keep: weights kept of each network besides its mask: final (trained), start (before training), best (the
            checkpoint of the best validation). The first two cost 4 bytes per weight and network; the plan says the
            sum.
        plan: print what would be trained, with estimated time and disk, and stop.
        workers: processes that train networks side by side, each with --threads threads; the results stay the same to
            the bit. For trainings on one CPU.
        oversubscribe: allow more workers x threads than there are cores.
        stack: networks that are trained at once on one device, each as it would be alone up to rounding. For
            classifiers on images in memory; on a GPU far faster than one after the other.
        sparse: let masked layers compute with their surviving weights alone, on the CPU: auto, up to the densities at
            which this machine is faster so (measured once); or these densities by kind of layer, such as linear: 0.2,
            conv: 0.2, recurrent: 0.2. Results differ in rounding.
        only: the part of the experiment that this command trains; other commands may train others, on any machines that
            share the run directory.
        launch: slurm submits the whole experiment, or what `only` names of it, as jobs and trains nothing itself.
        launch_options: what each job asks the scheduler for.
    """

    rounds: int = 15
    rates: dict[str, float] | None = None
    scope: Literal["layerwise", "kind", "global"] = "layerwise"
    least_per_layer: int = 0
    rewind_to: str = "0it"
    resume_schedule: bool = True
    score: str | Score | dict[str, Any] = "magnitude"
    methods: list[str | Method | dict[str, Any]] = field(default_factory=lambda: ["iterative"])
    random_reinit: int = 0
    random_mask: int = 0
    from_ticket: list[str] | str | None = None
    random_ticket: int = 1
    replicates: int = 1
    keep: list[Kept] = field(default_factory=lambda: ["final"])
    plan: bool = False
    workers: int = 1
    oversubscribe: bool = False
    stack: int = 1
    sparse: Literal["auto"] | dict[str, float] | None = None
    only: Only = Only()  # noqa: RUF009 - frozen
    launch: Literal["slurm"] | None = None
    launch_options: LaunchOptions = LaunchOptions()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        if self.rates is not None:
            check_rates(self.rates, self.scope)
        When.parse(self.rewind_to)
        leasts = {
            "rounds": 0,
            "least_per_layer": 0,
            "random_reinit": 0,
            "random_mask": 0,
            "random_ticket": 0,
            "replicates": 1,
            "workers": 1,
            "stack": 1,
        }
        for name, least in leasts.items():
            if not isinstance(getattr(self, name), int):
                raise TypeError(f"{name} is {getattr(self, name)!r}, expected a whole number")
            if getattr(self, name) < least:
                raise UserError(f"pruning.{name} is {getattr(self, name)}; expected {least} or more")
        if unknown := [name for name in self.keep if name not in ("final", "start", "best")]:
            raise UserError(f"pruning.keep names {', '.join(unknown)}; choose among final, start, best")
        check_limits(self.sparse)
        networks = self.replicates * (1 + self.rounds * sum(method.branches for method in self.all_methods[1:]))
        if networks > MOST_NETWORKS:
            raise UserError(f"pruning asks for {networks:,} networks; the most are {MOST_NETWORKS:,}")
        names = [method.name for method in self.all_methods]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise UserError(f"pruning.methods: {', '.join(sorted(doubled))} is there twice; name each method once")
        for method in self.all_methods:
            if method.of and method.of not in names:
                raise UserError(f"{method.name} is a control of {method.of} tickets; add {method.of} to methods")
        if self.scope != "layerwise" and "one_shot" in names and "iterative" not in names:
            raise UserError(
                f"one_shot takes its layer counts from iterative; with scope: {self.scope} add iterative to methods"
            )
        self.only.check(names, self.replicates, self.rounds)

    @cached_property
    def built_score(self) -> Score:
        """The score as an object."""
        return build(self.score, SCORES, Score, "pruning.score")  # type: ignore[type-abstract]

    @cached_property
    def all_methods(self) -> list[Method]:
        """The dense network and all methods and controls, in the order in which their networks are trained."""
        chosen = [_built(spec) for spec in self.methods]
        controls = {"random_reinit": self.random_reinit, "random_mask": self.random_mask}
        chosen += [METHODS[name](branches=branches) for name, branches in controls.items() if branches]
        for method in _transferred(self.from_ticket):
            chosen.append(method)
            if self.random_ticket:
                chosen.append(RandomTicket(self.random_ticket, of=method.name, rounds=method.rounds))
        order = [*METHODS, *(method.name for method in chosen)]
        chosen.sort(key=lambda method: (bool(method.of), order.index(method.name)))
        return [Dense(), *(method for method in chosen if method.name != Dense.name)]

    def method(self, key: NetworkKey) -> Method:
        """The method that makes a network."""
        return next(method for method in self.all_methods if method.name == key.method)

    @property
    def method_names(self) -> list[str]:
        """Names of all methods."""
        return [method.name for method in self.all_methods]

    def rates_for(self, kinds: Mapping[str, str]) -> dict[str, float]:
        """The rate of each layer kind of a network."""
        return self.rates if self.rates is not None else usual_rates(kinds, self.scope)

    def pool_schedule(self, sizes: Mapping[str, int], kinds: Mapping[str, str], rounds: int) -> list[dict[Pool, int]]:
        """Survivors of each pool of tensors that are ranked together, after 0, 1, ..., `rounds` prunings.

        Args:
            sizes: of weight tensors, the prunable ones among them.
            kinds: layer kind of each prunable tensor.
            rounds: number of prunings.
        """
        prunable = {name: sizes[name] for name in kinds}
        rates, least = self.rates_for(kinds), self.least_per_layer
        return pool_schedule(prunable, kinds, rates, rounds, scope=self.scope, least=least)

    def networks(self) -> Iterator[NetworkKey]:
        """All networks to train, each after those that it is made from; one method and branch after the other."""
        for replicate in range(self.replicates):
            for method in self.all_methods:
                yield from method.networks(replicate, self.rounds)

    def selected(self) -> list[NetworkKey]:
        """The networks that this command trains, in the same order; all where `only` names no part of them."""
        return [key for key in self.networks() if self.only.includes(key)]


def of_experiment(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without what concerns one command alone: its part of the networks, and how it is launched."""
    pruning = {name: value for name, value in config["pruning"].items() if name not in OF_COMMAND}
    return {**config, "pruning": pruning}


def read_settings(options: Mapping[str, Any], source: str) -> Pruning:
    """The options that a run directory was made with.

    Args:
        options: what its configuration has as `pruning`.
        source: where they are from, for the error.

    Raises:
        UserError: they are something else.
    """
    try:
        # A directory from before there was the option trained its full length.
        return Pruning(**{"resume_schedule": False} | dict(options))
    except (TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{source}: no lottery's configuration ({error})") from None


def merge(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a run directory that has grown: as many of everything as either asks for.

    Args:
        theirs: the directory's.
        ours: the command's, which differs in what may grow only.

    Raises:
        UserError: a method of the same name was made with other arguments, or the two do not go together.
    """
    before, after = theirs.get("pruning") or {}, ours.get("pruning") or {}
    grown = dict(before)
    for name in GROWING:
        old, new = before.get(name), after.get(name)
        if name == "methods":
            grown[name] = _all_methods(old or [], new or [])
        elif name == "from_ticket":
            if paths := list(dict.fromkeys([*_listed(old), *_listed(new)])):
                grown[name] = paths
        elif isinstance(new, list):
            grown[name] = [*(old or []), *(each for each in new if each not in (old or []))]
        elif new is not None:
            grown[name] = max(new, old or 0)
    read_settings(grown, "this command and the run directory")
    return {**theirs, "pruning": grown}


def _listed(paths: list[str] | str | None) -> list[str]:
    return [paths] if isinstance(paths, str) else list(paths or [])


def _transferred(paths: list[str] | str | None) -> list[Transferred]:
    """A method for each run directory whose tickets are trained here.

    Raises:
        UserError: a path names no ticket, or its run directory has a name that no method can have.
    """
    groups: dict[str, list[str]] = {}
    for path in _listed(paths):
        groups.setdefault(Transferred(path).name, []).append(path)
    methods = [Transferred(group) for group in groups.values()]
    for method in methods:
        _built(method)
    return methods


def _all_methods(old: list[Any], new: list[Any]) -> list[Any]:
    """The methods of both lists; one that is in both stays as the first has it."""
    by_name = {_built(spec).name: spec for spec in old}
    added = []
    for spec in new:
        method = _built(spec)
        if method.name not in by_name:
            added.append(spec)
            continue
        before = by_name[method.name]
        if type(_built(before)) is not type(method) or _arguments(before) != _arguments(spec):
            raise UserError(
                f"pruning.methods: {method.name} was {before} in this run directory and is {spec} now; "
                "choose another --experiment, or the same arguments to go on"
            )
    return [*old, *added]


def _arguments(spec: Any) -> dict[str, Any]:
    return dict(spec.get("init_args") or {}) if isinstance(spec, Mapping) else {}


def _built(spec: Any) -> Method:
    """A method from what a configuration says.

    Raises:
        UserError: there is no such method, or its name cannot be that of a directory.
    """
    method = build(spec, METHODS, Method, "pruning.methods")  # type: ignore[type-abstract]
    name = getattr(method, "name", "")
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.+-]*", name):
        raise UserError(
            f"pruning.methods: {type(method).__name__}.name is {name!r}; give it a name of letters, digits and _"
        )
    return method
