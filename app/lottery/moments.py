"""The moments of the dense training that networks train on from: with their schedule and their data order."""

from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch import LightningDataModule

from app.common.errors import UserError
from app.common.lightning_internals import is_stateful_loader
from app.lottery.settings import Pruning
from app.pruning import When
from app.runs.layout import NetworkKey, RunLayout

START = When(0)


def rewind_moment(settings: Pruning) -> When:
    """The moment that tickets train on from; `START` where they train their full length."""
    return When.parse(settings.rewind_to) if settings.resume_schedule else START


def rewound_to(settings: Pruning, name: str = "") -> When:
    """The moment whose weights survivors of a method return to.

    Args:
        settings: of the lottery.
        name: of the method; that of the lottery where it has none of its own, or is left out.
    """
    own = next((method.rewinds_to for method in settings.all_methods if method.name == name), None)
    return own or When.parse(settings.rewind_to)


def moment_of(settings: Pruning, key: NetworkKey) -> When:
    """The moment that a network trains on from."""
    if key.round == 0:
        return START
    method = settings.method(key)
    return method.trains_on_from or (
        rewound_to(settings, method.of or method.name) if settings.resume_schedule else START
    )


def later_moments(settings: Pruning) -> list[When]:
    """All moments after the start that networks train on from, or return to: the dense training is saved there."""
    found = [rewind_moment(settings)]
    for method in settings.all_methods:
        found += [moment for moment in (method.trains_on_from, method.rewinds_to) if moment is not None]
    return [moment for moment in dict.fromkeys(found) if moment.count > 0]


def checkpoint_at(settings: Pruning, layout: RunLayout, replicate: int, moment: When) -> Path:
    """Where the dense training is saved at a later moment."""
    if moment == rewind_moment(settings):
        return layout.rewind_checkpoint(replicate)
    return layout.moment(replicate, str(moment))


def iteration_at(settings: Pruning, moment: When, *, iterations: int, rewind_iteration: int) -> int:
    """A moment as an iteration of the dense training.

    Args:
        settings: of the lottery.
        moment: one of `moment_of`.
        iterations: length of the dense training.
        rewind_iteration: the iteration that `rewind_to` means.
    """
    if moment.before_end:
        return iterations - moment.count
    return rewind_iteration if moment.count > 0 and moment == rewind_moment(settings) else moment.count


def check_moments(
    settings: Pruning, data: LightningDataModule, *, iterations: int, rewind_iteration: int, iterations_per_epoch: int
) -> None:
    """Refuse moments outside the training, and those inside an epoch if the training data cannot go on there.

    Raises:
        UserError: it names the option.
    """
    for method in settings.all_methods:
        if method.rewinds_to is not None and method.rewinds_to.count >= iterations:
            raise UserError(
                f"pruning.methods: {method.name} is rewound to iteration {method.rewinds_to.count:,}, but a training "
                f"ends at iteration {iterations:,}; choose an earlier moment or train longer"
            )
        moment = method.trains_on_from
        if moment is not None and moment.before_end and moment.count >= iterations:
            raise UserError(
                f"pruning.methods: {method.name} trains {moment.count:,} iterations, and the dense training has "
                f"{iterations:,}; give fewer, or leave iterations out for all"
            )
    for moment in later_moments(settings):
        at = iteration_at(settings, moment, iterations=iterations, rewind_iteration=rewind_iteration)
        if at % iterations_per_epoch == 0 or is_stateful_loader(data.train_dataloader()):
            continue
        cannot = "inside an epoch, and the training data cannot go on there (its loader has no state_dict); choose"
        if moment == rewind_moment(settings):
            raise UserError(
                f"pruning.rewind_to is {settings.rewind_to}, {cannot} the end of an epoch, such as 1ep, or "
                "pruning.resume_schedule false"
            )
        raise UserError(
            f"pruning.methods: {moment} of {iterations:,} iterations is {cannot} multiples of {iterations_per_epoch}"
        )


@dataclass(frozen=True, kw_only=True)
class Moments:
    """When the networks of one experiment begin, and where the dense training is saved for them.

    Args:
        settings: of the lottery.
        layout: of its run directory.
        iterations: length of the dense training.
        rewind_iteration: the iteration that `rewind_to` means.
    """

    settings: Pruning
    layout: RunLayout
    iterations: int
    rewind_iteration: int

    def begins_at(self, key: NetworkKey) -> int:
        """The iteration of the dense training that a network trains on from; 0 where it trains the full length."""
        return self._iteration(moment_of(self.settings, key))

    def snapshots(self, key: NetworkKey) -> dict[Path, int]:
        """Where the dense training is saved, for networks that train on from there, and after which iterations."""
        if key.round > 0:
            return {}
        return {
            checkpoint_at(self.settings, self.layout, key.replicate, moment): self._iteration(moment)
            for moment in later_moments(self.settings)
        }

    def _iteration(self, moment: When) -> int:
        return iteration_at(self.settings, moment, iterations=self.iterations, rewind_iteration=self.rewind_iteration)
