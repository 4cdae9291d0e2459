"""Trains a whole lottery, as many networks at once as may be."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.common.errors import UserError
from app.lottery.network import NetworkTraining
from app.lottery.rounds import Lottery
from app.lottery.stacks.checkpoint import StackCheckpoint, read_stack
from app.lottery.stacks.data import Gathered
from app.lottery.stacks.group import Place, prepared
from app.lottery.stacks.training import StackTraining
from app.lottery.stacks.waves import waves
from app.runs.layout import NetworkKey
from app.runs.table import Result
from callbacks import ExperimentProgress


@dataclass(frozen=True, kw_only=True)
class StackedLottery:
    """A lottery whose networks are trained in groups.

    Args:
        lottery: makes the networks.
        network: trains one alone.
        progress: where it is shown.
        place: where groups are trained.
    """

    lottery: Lottery
    network: NetworkTraining
    progress: ExperimentProgress
    place: Place
    _gathered: Gathered = field(default_factory=Gathered)

    def run(self) -> list[Result]:
        """Train every network that is not finished; return the rows of all.

        Raises:
            Interrupted: asked to stop; the checkpoint is up to date.
            RunError: a training diverged.
        """
        if (begun := read_stack(self.network.layout.stack)) is not None:
            self._train(self._known(begun.keys), begun)
        finished = self.lottery.finished()
        missing = [key for key in self.lottery.settings.selected() if key not in finished]
        for group in waves(self.lottery.settings, missing, self.lottery.settings.stack, self._kind):
            if self._is_alone(group[0]):
                self.lottery.make(group[0])
            else:
                self._train(group)
            self.lottery.record(self.lottery.finished().values())
        return self.lottery.conclude()

    def _train(self, keys: Sequence[NetworkKey], checkpoint: StackCheckpoint | None = None) -> None:
        networks = [prepared(self.lottery.model, self.lottery.prepare(key)) for key in keys]
        StackTraining(
            network=self.network,
            progress=self.progress,
            place=self.place,
            networks=networks,
            gathered=self._gathered,
            begin=self.network.moments.begins_at(keys[0]),
        )(checkpoint)

    def _known(self, keys: Sequence[NetworkKey]) -> list[NetworkKey]:
        """The keys as this lottery has them; a begun group is finished whatever `stack` is by now."""
        known = {key: key for key in self.lottery.settings.selected()}
        if unknown := [key for key in keys if key not in known]:
            raise UserError(
                f"{self.network.layout.stack} has networks that this command does not ask for, such as {unknown[0]}; "
                "run the command that began them, or delete the file to begin them again"
            )
        return [known[key] for key in keys]

    def _kind(self, key: NetworkKey) -> object:
        """Networks of one kind begin at the same iteration; one that has to be trained alone is a kind of its own."""
        return key if self._is_alone(key) else self.network.moments.begins_at(key)

    def _is_alone(self, key: NetworkKey) -> bool:
        """Begun alone; or the dense network of tickets that go on from the checkpoint of a later moment."""
        return self.network.layout.network(key).last.exists() or bool(self.network.moments.snapshots(key))
