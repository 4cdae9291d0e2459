"""Several workers on one lottery: hands out networks, shows how far they are, and sees to those that fail."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from multiprocessing.connection import wait

from app.common.errors import explain
from app.lottery.workers.messages import Begun, Failed, Finished, Reached, Ready, Release, Report, Stop, Summed, Train
from app.lottery.workers.process import Worker
from app.lottery.workers.schedule import Agenda
from app.runs.layout import NetworkKey
from callbacks import ExperimentProgress

LOOK_UP_SECONDS = 0.2  # how long a request to stop may wait


class State(Enum):
    """What a worker is doing."""

    STARTING = auto()
    IDLE = auto()
    TRAINING = auto()
    BETWEEN = auto()  # has trained, and keeps open what the next round may go on with
    CLOSING = auto()
    STOPPING = auto()


@dataclass
class Hand:
    """One worker of the crew."""

    worker: Worker
    state: State = State.STARTING
    failure: str | None = None


@dataclass(kw_only=True)
class Crew:
    """Trains all that an agenda holds.

    A network that fails, or whose worker dies, is not tried again; those that are made from it are left out, all others
    go on, and a new worker takes the place of the old one.

    Args:
        size: number of workers.
        agenda: for as many.
        start: makes a worker.
        finished: is told of each network whose directory is finished.
        progress: one display for all.
        iterations: length of every training.
        stop: asked a few times a second whether to stop.
    """

    size: int
    agenda: Agenda
    start: Callable[[], Worker]
    finished: Callable[[NetworkKey], None]
    progress: ExperimentProgress
    iterations: int
    stop: Callable[[], bool]
    _failures: list[str] = field(default_factory=list)
    _hands: dict[int, Hand] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)

    def run(self) -> list[str]:
        """Train until nothing is left that can be trained, or until asked to stop; every worker has ended then.

        Returns:
            a line for each failure.
        """
        try:
            for number in range(self.size):
                self._hands[number] = Hand(self.start())
            while self._hands:
                for number, hand in self._hands.items():
                    self._direct(number, hand)
                self._listen()
            return self._failures
        finally:
            for hand in self._hands.values():  # where something of our own has failed
                hand.worker.kill()
                hand.worker.end()

    def _direct(self, number: int, hand: Hand) -> None:
        if hand.state is State.STOPPING:
            return
        if self.stop() or self.agenda.is_over:
            if hand.state is State.STARTING:
                hand.worker.kill()
            hand.worker.order(Stop())
            hand.state = State.STOPPING
        elif hand.state in (State.IDLE, State.BETWEEN):
            key = self.agenda.take(number)
            if key is not None:
                hand.worker.order(Train(key))
                hand.state = State.TRAINING
            elif hand.state is State.BETWEEN:
                hand.worker.order(Release())
                hand.state = State.CLOSING

    def _listen(self) -> None:
        handles = [handle for hand in self._hands.values() for handle in hand.worker.handles]
        wait(handles, timeout=LOOK_UP_SECONDS)
        for number, hand in list(self._hands.items()):
            reports = list(hand.worker.reports())
            for line in hand.worker.printed():
                if line not in self._said:  # each of them warns of the same
                    self._said.add(line)
                    print(line, file=sys.stderr)
            for report in reports:
                if report is None:
                    self._see_off(number, hand)
                else:
                    self._take_in(number, hand, report)

    def _take_in(self, number: int, hand: Hand, report: Report) -> None:
        match report:
            case Ready():
                self.agenda.released(number)
                hand.state = State.IDLE if hand.state is not State.STOPPING else hand.state
            case Begun(label, density, iterations):
                self.agenda.begun(number)
                self.progress.begin(label, density, iterations, worker=number)
            case Reached(iteration, resumed):
                self.progress.reach(iteration, worker=number, resumed=resumed)
            case Summed(summary):
                self.progress.end(summary, worker=number)
            case Finished():
                self.finished(self.agenda.finish(number))
                hand.state = State.BETWEEN if hand.state is not State.STOPPING else hand.state
            case Failed(reason):
                hand.failure = reason

    def _see_off(self, number: int, hand: Hand) -> None:
        """A worker has ended: as it was asked to, or not."""
        how = hand.worker.end()
        del self._hands[number]
        if hand.failure is None and hand.state is State.STOPPING:
            return
        key = self.agenda.training(number)
        if key is None:
            self.agenda.released(number)
            self._failures.append(f"a worker process {how}" + (" at its start" if hand.state is State.STARTING else ""))
            return
        left_out = self.agenda.fail(number)
        self.progress.leave_out((1 + len(left_out)) * self.iterations, worker=number)
        self.progress.note(f"{key}: failed" + (f"; {len(left_out)} made from it are left out" if left_out else ""))
        self._failures.append(f"{key}: {hand.failure or f'its worker process {how}'}")
        if not self.stop() and not self.agenda.is_over:
            try:
                self._hands[number] = Hand(self.start())
            except OSError as error:  # the others go on
                self._failures.append(f"no worker can take the place of that one: {explain(error)}")
