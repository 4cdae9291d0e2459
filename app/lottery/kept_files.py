"""Which files of a finished network are kept, and so which networks are complete."""

from collections.abc import Sequence

from app.common.files import remove
from app.common.plugins import errors_named
from app.common.ranks import is_first
from app.common.states import digest
from app.lottery.finished_networks import FinishedNetworks
from app.lottery.methods import Method
from app.lottery.moments import checkpoint_at, later_moments
from app.lottery.settings import Pruning
from app.pruning import When, masked
from app.runs.checksums import record
from app.runs.layout import NetworkKey, RunLayout, TrainingLayout
from app.runs.network_report import read_report
from app.runs.tensors import save_masked


def finished_keys(settings: Pruning, layout: RunLayout) -> list[NetworkKey]:
    """The networks that are done, in the order in which they are trained.

    A network counts as done if all that is to be kept of it is there, and its trained weights if a network to come is
    made from them: they are deleted at the end where they are not kept.

    Args:
        settings: of the lottery.
        layout: of its run directory.
    """
    keys = list(settings.networks())
    done = {key for key in keys if is_finished(settings, layout, key)}
    for key in reversed(keys):  # each comes after those that it is made from
        if key not in done:
            needed = settings.method(key).reads_weights_of(key)
            done.difference_update(each for each in needed if not layout.network(each).final.exists())
    return [key for key in keys if key in done]


def is_finished(settings: Pruning, layout: RunLayout, key: NetworkKey) -> bool:
    """Whether a network is done and all is there that is to be kept of it.

    Args:
        settings: of the lottery.
        layout: of its run directory.
        key: of the network.
    """
    return _is_complete(settings.keep, layout.network(key)) and _has_rewind_point(settings, layout, key)


def _is_complete(keep: Sequence[str], files: TrainingLayout) -> bool:
    wanted = {"final": files.final, "best": files.best}
    needed = [files.done, files.mask, files.metrics, files.report]
    return all(path.exists() for path in (*needed, *(path for name, path in wanted.items() if name in keep)))


def _has_rewind_point(settings: Pruning, layout: RunLayout, key: NetworkKey) -> bool:
    """Whether the files of later moments that networks are made from exist; the dense network writes them."""
    if key.round > 0 or settings.rounds == 0:
        return True
    files = [checkpoint_at(settings, layout, key.replicate, moment) for moment in later_moments(settings)]
    if When.parse(settings.rewind_to).count > 0:
        files.append(layout.rewind_weights(key.replicate))
    return all(path.exists() for path in files)


def save_start(method: Method, key: NetworkKey, finished: FinishedNetworks) -> None:
    """Save the weights that a finished network began with, where they were not kept at the time.

    Args:
        method: that made it.
        key: of the network.
        finished: the networks of the lottery.
    """
    files = finished.layout.network(key)
    if files.start.exists() or not is_first():
        return
    with errors_named("pruning.methods", method):
        lost = [each for each in method.continues(key) if not finished.layout.network(each).final.exists()]
        weights = {} if lost else method.weights(key, finished)
    if not lost and digest(weights) == read_report(files)["checksums"].get("start"):
        masks = finished.mask(key)
        start = masked(weights, masks)
        record(files.root, {files.start.name: digest(start)})
        save_masked(files.start, start, masks)
    else:
        remove(files.done)  # train it again, and keep them


def tidy(settings: Pruning, layout: RunLayout) -> None:
    """Delete what is needed no more once the last network is trained.

    Args:
        settings: of the run directory; nothing is deleted before all its networks are done.
        layout: of the run directory.
    """
    keys = list(settings.networks())
    whole = all(layout.network(key).done.exists() for key in keys)
    for files in map(layout.network, keys):
        if files.done.exists():
            for checkpoint in (files.last, files.previous):  # of a process that was killed right after DONE
                checkpoint.unlink(missing_ok=True)
        if whole and "final" not in settings.keep:
            files.final.unlink(missing_ok=True)
