"""Which checkpoint a training goes on from, where one may be damaged."""

from dataclasses import dataclass
from pathlib import Path

from app.common.errors import UserError
from app.common.lightning_internals import epochs_begun
from app.runs.checkpoints import read_checkpoint
from app.runs.layout import TrainingLayout

# What Lightning restores a training from, besides the weights.
_PARTS: dict[str, type] = {
    "epoch": int,
    "global_step": int,
    "pytorch-lightning_version": str,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePoint:
    """Where a training goes on.

    Args:
        path: the newest checkpoint that is whole; None if there is none.
        epoch: how many epochs have begun there.
        iteration: how many iterations are done there.
        damage: what was found damaged, in words; empty if nothing was.
        mend: what a user can do if there is no path.
    """

    path: Path | None = None
    epoch: int = 0
    iteration: int = 0
    damage: str = ""
    mend: str = ""


def resume_point(files: TrainingLayout) -> ResumePoint:
    """Find the checkpoint from which a training goes on.

    This is last.ckpt or, where that is damaged, the one before it. If best.ckpt is damaged there is none: what comes
    after a checkpoint does not bring back the best network before it.

    Args:
        files: of the training.
    """
    damaged: dict[Path, str] = {}
    for path in (files.last, files.previous):
        # Without last.ckpt the training begins again: who deleted it asked for that.
        if not path.exists() or not files.last.exists():
            continue
        try:
            epoch, iteration = _progress_of(path)
        except UserError as error:
            damaged[path] = str(error)
            continue
        if (damage := _damage_of(files.best)) is not None:
            return ResumePoint(damage=damage, mend=f"rm {files.best}, and the same command goes on without it")
        said = "; ".join(damaged.values())
        return ResumePoint(path=path, epoch=epoch, iteration=iteration, damage=said)
    names = " ".join(map(str, damaged))
    mend = f"rm {names}, and the same command begins this training again" if damaged else ""
    return ResumePoint(damage="; ".join(damaged.values()), mend=mend)


def _progress_of(path: Path) -> tuple[int, int]:
    """Epochs begun and iterations done in a checkpoint of a training in progress."""
    checkpoint = read_checkpoint(path)
    for name, kind in _PARTS.items():
        if not isinstance(checkpoint.get(name), kind):
            raise UserError(f"{path}: not the checkpoint of a training in progress (no {name})")
    try:
        return epochs_begun(checkpoint), checkpoint["global_step"]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: not the checkpoint of a training in progress (no count of epochs)") from None


def _damage_of(path: Path) -> str | None:
    """What is damaged of a checkpoint; None if nothing is, or there is no such file."""
    try:
        if path.exists():
            read_checkpoint(path)
    except UserError as error:
        return str(error)
    return None
