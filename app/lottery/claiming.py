"""A command's claim of the run directory: of what describes the experiment, and of networks that it trains together."""

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import replace

from app.common import protocols
from app.common.errors import UserError
from app.lottery.experiment import Experiment
from app.lottery.kept_files import finished_keys
from app.lottery.settings import GROWING, Pruning, merge, read_settings
from app.lottery.sparse import with_limits
from app.lottery.turns import Others, all_held
from app.runs.at_work import processes
from app.runs.config import claim, read_config
from app.runs.layout import NetworkKey, RunLayout
from app.runs.lock import FileLock, how_to_break
from app.runs.recorded_data import claim_data
from app.runs.schema import write_schema
from app.runs.source_ticket import claim_tickets


def with_sparse_limits(experiment: Experiment) -> Experiment:
    """The experiment with the densities up to which layers are sparse: those of its run directory, if it has any."""
    config = with_limits(experiment.config, experiment.layout)
    return replace(
        experiment, config=config, settings=replace(experiment.settings, sparse=config["pruning"].get("sparse"))
    )


def claim_experiment(
    experiment: Experiment, tickets: Mapping[str, Mapping[str, str]], used: Mapping[str, str] | None
) -> Pruning:
    """Write what describes the experiment into its directory, or compare it with what is there.

    The caller holds the lock of the shared files.

    Args:
        experiment: that is to be trained.
        tickets: the checksums of the tickets of other run directories (`source_checksums`).
        used: what networks are trained with here; None if none is trained.

    Returns:
        The settings of the directory, which may hold more than this experiment.

    Raises:
        UserError: the directory is of another experiment.
    """
    model, data, layout = experiment.model, experiment.data, experiment.layout
    free = [f"pruning.{name}" for name in GROWING]
    launched = experiment.settings.launch is not None
    claim(layout, experiment.config, free, merge=merge, kernels=used, trained_elsewhere=launched)
    claim_data(layout, protocols.checksums(data), begun=bool(layout.networks() or processes(layout)))
    claim_tickets(layout, tickets)
    whole = read_settings(read_config(layout)["pruning"], str(layout.config))
    declared = [*(protocols.metric_schema(model) or ()), *protocols.initial_schema(model)]
    gates = protocols.gated_weights(model)
    write_schema(layout, declared, [method.described for method in whole.all_methods], gates, whole.networks())
    return whole


def hold_all(
    stack: ExitStack, settings: Pruning, layout: RunLayout, missing: Collection[NetworkKey], *, at_once: bool
) -> None:
    """Hold the locks of all networks to train until the stack is closed.

    Args:
        stack: holds them.
        settings: of the lottery.
        layout: of its run directory.
        missing: the networks to train.
        at_once: whether they are trained at once, by which no second process may be at work.

    Raises:
        UserError: another process has one, or they are made from networks that are not finished.
    """
    others = Others(settings, layout, finished_keys(settings, layout), note=lambda line: None)
    if any(each not in missing for key in missing for each in others.before(key)):
        raise UserError(f"nothing is trained: {others.lacking(missing)}")
    if at_once and not (lock := stack.enter_context(FileLock(layout.stack_lock))).take():
        raise UserError(
            f"{lock.owner} trains networks at once in {layout.root}{lock.owner.since_when}, and one process at a time "
            f"does that; wait for it{how_to_break(lock.path)}"
        )
    stack.enter_context(all_held(layout, missing))


def missing_networks(settings: Pruning, layout: RunLayout) -> list[NetworkKey]:
    """The networks of this command that are not finished."""
    finished = set(finished_keys(settings, layout))
    return [key for key in settings.selected() if key not in finished]
