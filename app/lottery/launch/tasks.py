"""Which networks are trained by one job, and after which other jobs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from app.common.errors import UserError
from app.lottery.methods.chain import Chain
from app.lottery.only import written
from app.lottery.prerequisites import prerequisites, series
from app.lottery.settings import Pruning
from app.runs.layout import DENSE, NetworkKey

MOST_IN_ARRAY = 1000  # tasks; SLURM's MaxArraySize is 1001 where a cluster does not say otherwise


@dataclass(frozen=True, slots=True)
class Task:
    """Networks that one command trains, one after the other.

    Args:
        keys: each after those that it is made from; all of one replicate.
    """

    keys: tuple[NetworkKey, ...]

    @property
    def only(self) -> dict[str, object]:
        """The option `--pruning.only` of the command, which includes no network of another series."""
        chosen: dict[str, object] = {
            "replicates": self.keys[0].replicate,
            "methods": list(dict.fromkeys(key.method for key in self.keys)),
            "rounds": written(sorted({key.round for key in self.keys})),
        }
        if any(key.branch for key in self.keys) or all(key.of for key in self.keys):
            chosen["branches"] = written(sorted({key.branch for key in self.keys}))
        return chosen


@dataclass(frozen=True, slots=True)
class Submission:
    """What is submitted at once: a job, or an array of jobs that wait for the same others.

    Args:
        name: of the job.
        tasks: one, or those of the array.
        after: the tasks that must have succeeded before, of earlier submissions.
        after_jobs: jobs of earlier commands that must have succeeded before.
    """

    name: str
    tasks: tuple[Task, ...]
    after: frozenset[Task]
    after_jobs: tuple[str, ...] = ()


def submissions(
    name: str, settings: Pruning, missing: Collection[NetworkKey], queued: Mapping[NetworkKey, str], finished: object
) -> list[Submission]:
    """What is to be submitted, each after those that it waits for.

    A replicate's dense network and its chain of rounds are one job. Every other series of rounds, such as a control's
    branch, is another; those of a replicate that wait for the same jobs are an array.

    Args:
        name: of the experiment.
        settings: of the lottery.
        missing: the networks to train.
        queued: networks that jobs of earlier commands are to train, with the job.
        finished: the networks that are finished; a container.

    Raises:
        UserError: a network is made from one that is not finished and that no job trains.
    """
    befores: dict[NetworkKey, tuple[NetworkKey, ...]] = {}
    for key in missing:
        befores[key] = prerequisites(settings, key)
        for each in befores[key]:
            if each not in missing and each not in queued and each not in finished:  # type: ignore[operator]
                raise UserError(
                    f"{key} is made from {each}, which is not finished, in no job, and no part of this command; add it "
                    "to --pruning.only"
                )
    found = _tasks(settings, missing, befores)
    task_of = {key: task for task in found for key in task.keys}
    grouped: dict[object, list[Task]] = {}
    waits: dict[Task, tuple[frozenset[Task], tuple[str, ...]]] = {}
    for task in found:
        needed = [each for key in task.keys for each in befores[key]]
        after = frozenset(task_of[each] for each in needed if each in task_of) - {task}
        jobs = tuple(dict.fromkeys(queued[each] for each in needed if each in queued))
        waits[task] = after, jobs
        alone = any(key.method == DENSE or isinstance(settings.method(key), Chain) for key in task.keys)
        grouped.setdefault(task if alone else (task.keys[0].replicate, after, jobs), []).append(task)
    order = list(TopologicalSorter({task: after for task, (after, _) in waits.items()}).static_order())
    whole = []
    for tasks in sorted(grouped.values(), key=lambda tasks: max(map(order.index, tasks))):
        for start in range(0, len(tasks), MOST_IN_ARRAY):
            part = tuple(tasks[start : start + MOST_IN_ARRAY])
            whole.append(Submission(f"{name}-{_title(part)}", part, *waits[part[0]]))
    return whole


def _tasks(
    settings: Pruning, missing: Collection[NetworkKey], befores: Mapping[NetworkKey, tuple[NetworkKey, ...]]
) -> list[Task]:
    """The networks by series, the dense one with the first chain; series that need each other are one task."""
    chain = next((method.name for method in settings.all_methods if isinstance(method, Chain)), DENSE)
    parts: dict[object, list[NetworkKey]] = {}
    for key in missing:
        of = (key.replicate, chain, 0) if key.method == DENSE else series(key)
        parts.setdefault(of, []).append(key)
    while True:
        part_of = {key: name for name, keys in parts.items() for key in keys}
        needs = {
            name: {part_of[each] for key in keys for each in befores[key] if each in part_of} - {name}
            for name, keys in parts.items()
        }
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as error:
            first, *others = dict.fromkeys(error.args[1])
            parts[first] += [key for other in others for key in parts.pop(other)]
            continue
        order = list(settings.networks())
        return [Task(tuple(sorted(keys, key=order.index))) for keys in parts.values()]


def _title(tasks: Collection[Task]) -> str:
    keys = [key for task in tasks for key in task.keys]
    methods = dict.fromkeys(key.method for key in keys if key.method != DENSE or len(keys) == 1)
    name = next(iter(methods)) if len(methods) == 1 else "controls" if all(key.of for key in keys) else "methods"
    return f"r{keys[0].replicate}-{name}"
