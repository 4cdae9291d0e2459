"""A pool of workers that trains one lottery: assigns networks, shows their progress, and handles failures."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from multiprocessing.connection import wait

from app.common.errors import explain
from app.common.lines import print_to_stderr
from app.lottery.turns import POLL_SECONDS, Others
from app.lottery.workers.messages import (
    Begun,
    Completed,
    Elsewhere,
    Failed,
    Reached,
    Ready,
    Release,
    Report,
    Stop,
    Summed,
    Train,
)
from app.lottery.workers.schedule import Schedule
from app.lottery.workers.worker import Worker
from app.runs.layout import NetworkKey
from callbacks import ExperimentProgress

LOOK_UP_SECONDS = 0.2  # the longest delay of a request to stop


class State(Enum):
    """The state of a worker."""

    STARTING = auto()
    IDLE = auto()
    TRAINING = auto()
    BETWEEN = auto()  # has trained, and keeps open what the next round may use
    CLOSING = auto()
    STOPPING = auto()


@dataclass
class PoolMember:
    """A worker of the pool, its state, and the reason of its failure, if any."""

    worker: Worker
    state: State = State.STARTING
    failure: str | None = None


@dataclass(kw_only=True)
class WorkerPool:
    """Trains all networks of a schedule.

    A network that fails, or whose worker dies, is not tried again. The networks that are made from it are left out, all
    others continue, and a new worker replaces the old one.

    Args:
        size: the number of workers.
        schedule: the schedule for this number of workers.
        others: what other processes do that share the run directory.
        start: starts the worker of a number.
        finished: called with each network whose directory is complete.
        progress: one display for all workers.
        iterations: the length of every training.
        stop: called a few times a second; True if the pool should stop.

    Attributes:
        left: in the end the networks that nobody trains, because nobody trains what they are made from.
    """

    size: int
    schedule: Schedule
    others: Others
    start: Callable[[int], Worker]
    finished: Callable[[NetworkKey], None]
    progress: ExperimentProgress
    iterations: int
    stop: Callable[[], int]
    left: list[NetworkKey] = field(default_factory=list)
    _looked: float = -math.inf  # the clock at the last look at other processes
    _failures: list[str] = field(default_factory=list)
    _members: dict[int, PoolMember] = field(default_factory=dict)
    _printed: set[str] = field(default_factory=set)

    def run(self) -> list[str]:
        """Train until nothing is left to train, or until asked to stop; then every worker has ended.

        Returns:
            One line for each failure.
        """
        try:
            for number in range(self.size):
                self._members[number] = PoolMember(self.start(number))
            while self._members:
                self._look()
                for number, member in self._members.items():
                    self._send_order(number, member)
                self._receive()
            return self._failures
        finally:
            for member in self._members.values():  # only after an error in this process
                member.worker.kill()
                member.worker.end()

    def _look(self) -> None:
        """See what other processes have finished or given up, now and then."""
        if not self.schedule.depends or time.monotonic() - self._looked < POLL_SECONDS:
            return
        self._looked = time.monotonic()
        for key in self.schedule.look(self.others.is_finished, self.others.trained_by):
            self.progress.skip(self.iterations)
            self.finished(key)
        if self.schedule.is_idle and not self.others.may_come(self.schedule.waiting):
            self.left = self.schedule.give_up()

    def _send_order(self, number: int, member: PoolMember) -> None:
        if member.state is State.STOPPING:
            return
        if self.stop() or self.schedule.is_over:
            if member.state is State.STARTING:
                member.worker.kill()
            member.worker.order(Stop())
            member.state = State.STOPPING
        elif member.state in (State.IDLE, State.BETWEEN):
            key = self.schedule.take(number)
            if key is not None:
                member.worker.order(Train(key))
                member.state = State.TRAINING
            elif member.state is State.BETWEEN:
                member.worker.order(Release())
                member.state = State.CLOSING

    def _receive(self) -> None:
        handles = [handle for member in self._members.values() for handle in member.worker.handles]
        wait(handles, timeout=LOOK_UP_SECONDS)
        for number, member in list(self._members.items()):
            reports = list(member.worker.reports())
            for line in member.worker.printed():
                if line not in self._printed:  # every worker prints the same warnings
                    self._printed.add(line)
                    print_to_stderr(line)
            for report in reports:
                if report is None:
                    self._remove(number, member)
                else:
                    self._process(number, member, report)

    def _process(self, number: int, member: PoolMember, report: Report) -> None:
        match report:
            case Ready():
                self.schedule.released(number)
                member.state = State.IDLE if member.state is not State.STOPPING else member.state
            case Begun(label, density, iterations):
                self.schedule.begun(number)
                self.progress.begin(label, density, iterations, worker=number)
            case Reached(iteration, resumed):
                self.progress.reach(iteration, worker=number, resumed=resumed)
            case Summed(summary, iterations):
                self.progress.end(summary, iterations, worker=number)
            case Completed():
                self.finished(self.schedule.finish(number))
                member.state = State.BETWEEN if member.state is not State.STOPPING else member.state
            case Elsewhere():
                key = self.schedule.elsewhere(number)
                if (owner := self.others.trained_by(key)) is not None:
                    self.others.tell(key, owner)
                member.state = State.BETWEEN if member.state is not State.STOPPING else member.state
            case Failed(reason):
                member.failure = reason

    def _remove(self, number: int, member: PoolMember) -> None:
        """Remove a worker that has ended; if it was not asked to, record the failure and start a new one."""
        how = member.worker.end()
        del self._members[number]
        if member.failure is None and member.state is State.STOPPING:
            return
        key = self.schedule.training(number)
        if key is None:
            self.schedule.released(number)
            self._failures.append(
                f"a worker process {how}" + (" at its start" if member.state is State.STARTING else "")
            )
            return
        left_out = self.schedule.fail(number)
        self.progress.leave_out((1 + len(left_out)) * self.iterations, worker=number)
        self.progress.note(f"{key}: failed" + (f"; {len(left_out)} made from it are left out" if left_out else ""))
        self._failures.append(f"{key}: {member.failure or f'its worker process {how}'}")
        if not self.stop() and not self.schedule.is_over:
            try:
                self._members[number] = PoolMember(self.start(number))
            except OSError as error:  # the other workers continue
                self._failures.append(f"no worker can be started to replace it: {explain(error)}")
