"""The `lottery` subcommand: from parsed options to an experiment in its run directory."""

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from rich.console import Console

from app.common import protocols
from app.common.errors import UserError
from app.common.lightning_internals import requeue_signal
from app.common.lines import print_line
from app.common.prunable import declares_prunable, prunable_parts
from app.common.ranks import is_first
from app.common.used_kernels import kernels, stacked_kernels
from app.lottery.claiming import claim_experiment, hold_all, missing_networks, with_sparse_limits
from app.lottery.experiment import Experiment
from app.lottery.kept_files import finished_keys
from app.lottery.launch.launch import launch
from app.lottery.moments import check_moments, iteration_at, moment_of
from app.lottery.origins import check_origins
from app.lottery.plan import Plan
from app.lottery.prerequisites import graph
from app.lottery.score_checks import check_scores
from app.lottery.settings import Pruning, of_experiment
from app.lottery.sources import source_checksums
from app.lottery.sparse import check_sparse, kernels_of
from app.lottery.stacks.group import Place
from app.lottery.stacks.limits import check_stack
from app.lottery.stacks.trial import seconds_at_once
from app.lottery.workers.limits import check_workers, on_gpus
from app.pruning import check_kinds, rewind_iteration
from app.pruning.parts import kinds_of, part_sizes
from app.runs.at_work import at_work, remove_traces, shared_files
from app.runs.best_validation import configured_best
from app.runs.layout import RunLayout
from app.training.first_rank import FirstRank
from app.training.length import resuming_note, steps_per_epoch, training_iterations, validations
from app.training.pruning_callback import refuse_pruning
from app.training.requirements import check_monitor, check_test, check_training
from callbacks import Pace
from callbacks.trainer_state import refuse_strategy

PLAN_SECONDS = 20.0  # of iterations, which a plan extrapolates from


def run_lottery(
    trainer: Trainer, model: LightningModule, data: LightningDataModule, settings: Pruning, context: Any
) -> None:
    """Draw lottery tickets, say what would be trained, or carry out a study of them.

    Args:
        trainer: of the configuration; it trains nothing itself.
        model: the module to prune.
        data: what it is trained on.
        settings: the lottery's options.
        context: the run's settings, an `app.cli.context.Context`.

    Raises:
        UserError: what the options, the module, the data or the run directory make impossible.
    """
    _refuse(trainer, context.config["trainer"])
    first = FirstRank(trainer)
    if settings.plan or context.study is not None:  # on every rank
        _run(trainer, model, data, settings, context, first)
    elif is_first():
        with first.claiming():
            _run(trainer, model, data, settings, context, first)
    elif first.wait():
        _run(trainer, model, data, settings, context, first)


def _run(
    trainer: Trainer,
    model: LightningModule,
    data: LightningDataModule,
    settings: Pruning,
    context: Any,
    first: FirstRank,
) -> None:
    layout, arguments = RunLayout(context.root), context.config["trainer"]
    data.prepare_data()
    data.setup("fit")
    check_training(arguments, model, data, trainer.world_size)
    _make_layers(model, data, trainer)
    experiment = _experiment(trainer, model, data, settings, context)
    if context.study is not None:
        context.study(experiment)
        return
    if settings.launch is not None and not settings.plan:
        if is_first():
            _launch(experiment)
        return
    check_workers(settings, trainer, context.threads)
    check_sparse(settings.sparse, trainer, settings.stack)
    at_once = settings.stack > 1 or layout.stack.exists()  # a begun group is finished as it was begun
    if at_once:
        check_stack(settings, trainer, model, data, arguments, context.make_loggers())
    if context.parent is None:
        check_scores(settings, model, data)
    if settings.plan:
        place = Place(trainer.strategy.root_device, trainer.precision, arguments) if at_once else None
        plan = _plan(experiment, place)
        if is_first():
            Console().print(plan.render())
    elif context.parent is not None:
        experiment.serve(context.parent)
    elif not is_first():
        experiment.draw()
    else:
        _draw(experiment, trainer, first, at_once=at_once)


def _refuse(trainer: Trainer, arguments: dict[str, Any]) -> None:
    """Refuse what no lottery can do with, before data are read."""
    refuse_strategy(trainer)
    refuse_pruning(trainer.callbacks)  # type: ignore[attr-defined]
    if arguments["fast_dev_run"]:
        raise UserError("trainer.fast_dev_run measures nothing to prune by; use a small --trainer.max_steps instead")
    if arguments.get("max_time") is not None:
        raise UserError(
            "trainer.max_time would end the networks by the clock, each at another length; set trainer.max_steps or "
            "trainer.max_epochs, and stop the lottery at any moment: the same command goes on"
        )


def _experiment(
    trainer: Trainer, model: LightningModule, data: LightningDataModule, settings: Pruning, context: Any
) -> Experiment:
    """The experiment that the options describe; refused where they do not go with the module or the data."""
    arguments = context.config["trainer"]
    iterations = training_iterations(arguments, data, trainer.world_size)
    kinds = kinds_of(prunable_parts(model))
    check_kinds(kinds, settings.rates_for(kinds))
    steps = steps_per_epoch(arguments, data, trainer.world_size)
    rewound = rewind_iteration(settings.rewind_to, iterations=iterations, iterations_per_epoch=steps)
    check_moments(settings, data, iterations=iterations, rewind_iteration=rewound, iterations_per_epoch=steps)
    graph(settings, set(settings.networks()))  # refuses methods that need each other before anything is trained
    return Experiment(
        model=model,
        data=data,
        settings=settings,
        layout=RunLayout(context.root),
        iterations=iterations,
        rewind_iteration=rewound,
        seed=context.seed,
        threads=context.threads,
        config=of_experiment(context.config),
        make_trainer=context.make_trainer,
        make_loggers=context.make_loggers,
        checkpoint_seconds=context.checkpoint_seconds,
        requeue_on=requeue_signal(trainer),
        on_gpus=on_gpus(trainer),
    )


def _draw(experiment: Experiment, trainer: Trainer, first: FirstRank, *, at_once: bool) -> None:
    """Train what is missing, in the run directory that the experiment has or gets."""
    model, data, settings, layout = experiment.model, experiment.data, experiment.settings, experiment.layout
    if not layout.networks() and trainer.world_size == 1:
        check_monitor(configured_best(experiment.config), model, data, experiment.make_trainer)
        check_test(model, data, experiment.make_trainer)
    tickets = source_checksums(
        settings, model, missing_networks(settings, layout)
    )  # refused before a directory is made
    with ExitStack() as stack:
        with shared_files(layout):
            remove_traces(layout)
            experiment = with_sparse_limits(experiment)
            settings, missing = experiment.settings, missing_networks(settings, layout)
            # Where nothing is left to train, nothing depends on this machine.
            place = trainer.strategy.root_device, str(trainer.precision)
            used = (
                (stacked_kernels if at_once else kernels)(model, *place) | kernels_of(settings.sparse)
                if missing
                else None
            )
            whole = claim_experiment(experiment, tickets, used)
            stack.enter_context(at_work(layout))
        check_origins(settings, layout, missing)
        _print_prunable(model, settings)
        if note := resuming_note(data):
            print_line(note)
        if at_once or trainer.world_size > 1:
            hold_all(stack, settings, layout, missing, at_once=at_once)
        first.go(on=bool(missing))
        if at_once:
            experiment.draw_at_once(trainer, whole)
        elif settings.workers > 1:
            experiment.draw_side_by_side(whole)
        else:
            experiment.draw(whole, alone=trainer.world_size > 1)


def _launch(experiment: Experiment) -> None:
    """Make the run directory, and submit what is missing in it."""
    settings, layout = experiment.settings, experiment.layout
    tickets = source_checksums(settings, experiment.model, missing_networks(settings, layout))
    with shared_files(layout):
        experiment = with_sparse_limits(experiment)
        claim_experiment(experiment, tickets, used=None)
    for line in launch(experiment):
        print_line(line)


def _make_layers(model: LightningModule, data: LightningDataModule, trainer: Trainer) -> None:
    """Let the module make the layers that it makes at the start of a fit: they are pruned and kept as all others."""
    model.trainer, trainer.datamodule = trainer, data  # type: ignore[attr-defined]
    try:
        model.setup("fit")
        model.configure_model()
    finally:
        model.trainer, trainer.datamodule = None, None  # type: ignore[attr-defined]


def _print_prunable(model: LightningModule, settings: Pruning) -> None:
    """Print what is pruned and how much, if the module does not declare it or no rates are given."""
    if declares_prunable(model) and settings.rates is not None:
        return
    kinds = kinds_of(prunable_parts(model))
    sizes, rates = part_sizes(model), settings.rates_for(kinds)
    by_kind: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        by_kind.setdefault(kind, []).append(name)
    whose = (
        ""
        if declares_prunable(model)
        else (f"{type(model).__name__} does not declare what may be pruned: all weights but embeddings and norms are. ")
    )
    told = "; ".join(
        f"{kind} {rates[kind]:g} of {sum(sizes[name] for name in names):,} weights ({', '.join(names)})"
        for kind, names in sorted(by_kind.items())
    )
    rest = [name for name in sizes if name not in kinds]
    spared = f"; not pruned: {', '.join(rest)}" if rest else ""
    print_line(f"{whose}Pruned per round: {told}{spared}")


def _plan(experiment: Experiment, place: Place | None) -> Plan:
    """What the experiment would train; its place is where networks would be trained at once, if they would."""
    model, data, settings, iterations = experiment.model, experiment.data, experiment.settings, experiment.iterations
    rows = validations(experiment.config["trainer"], data, iterations)
    declared = protocols.metric_schema(model)
    moments = {key.method: moment_of(settings, key) for key in settings.selected()}
    plan = Plan(
        settings=settings,
        sizes=part_sizes(model),
        kinds=kinds_of(prunable_parts(model)),
        state_bytes=sum(value.numel() * value.element_size() for value in model.state_dict().values()),
        metrics=len(declared) if declared is not None else 4,
        iterations=iterations,
        rows=1 + rows,
        seconds=_seconds(experiment, rows),
        finished=frozenset(finished_keys(settings, experiment.layout)),
        begins={
            name: iteration_at(settings, moment, iterations=iterations, rewind_iteration=experiment.rewind_iteration)
            for name, moment in moments.items()
        },
    )
    return replace(plan, at_once=seconds_at_once(plan, model, data, place)) if place is not None else plan


def _seconds(experiment: Experiment, validations: int) -> float:
    """The time of a training, from its beginning, which is thrown away."""
    # As many iterations as two validations are apart, or fewer of slow ones.
    most = min(experiment.iterations, -(-2 * experiment.iterations // max(1, validations)))
    pace = Pace(PLAN_SECONDS)
    with tempfile.TemporaryDirectory() as root:
        trainer = experiment.make_trainer(Path(root), [pace], [], max_steps=most, max_epochs=-1)
        trainer.fit(experiment.model, datamodule=experiment.data)
    return pace.iteration * experiment.iterations + pace.validation * (1 + validations)
