"""Finds the configuration and the weights of a trained network by its run directory or its checkpoint."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.common.errors import UserError
from app.common.plugins import import_object
from app.runs.checkpoints import description, read_checkpoint
from app.runs.checksums import check_file
from app.runs.config import flatten, read_config
from app.runs.layout import FitLayout, NetworkKey, RunDirectory, RunLayout, TrainingLayout, run_of, seed_directories

# Of a run's Trainer, what its networks are measured with; the rest is for training.
TRAINER_OPTIONS = ("accelerator", "precision")
# Of a run's configuration besides model and data.
OPTIONS = ("seed_everything", "threads")


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A trained network on disk, and the options that a command takes from there.

    Args:
        weights: the checkpoint, or the final.safetensors of a network of a lottery; None for all networks of one.
        options: defaults of the command line: the model's class path and arguments, the data's, ...
        lottery: all of whose networks are meant; None for one network.
    """

    weights: Path | None
    options: dict[str, Any] = field(default_factory=dict)
    lottery: RunLayout | None = None


def trained_model(path: Path, *, every: bool = False) -> TrainedModel:
    """Find the network of a run directory or a checkpoint file.

    Args:
        path: a checkpoint; the directory of a training by `fit`, or of an experiment with one seed; or the directory of
            one network of a lottery.
        every: whether it may be the directory of a lottery, for all its networks.

    Raises:
        UserError: there is no trained network there, or there are several.
    """
    if path.is_file():
        found = description(read_checkpoint(path))
        options = {name: value for name, value in found.items() if value}
        return TrainedModel(weights=path, options=_importable(options, path))
    if not path.is_dir():
        raise UserError(f"{path}: no such run directory or checkpoint")
    run = run_of(path)
    if run is not None:
        return TrainedModel(weights=_weights(TrainingLayout(path), lottery=True), options=_options(run))
    layout = FitLayout(path)
    if not layout.config.exists() and (seeds := seed_directories(path)):
        if len(seeds) > 1:
            raise UserError(f"{path} holds {len(seeds)} networks; name one of them, such as {seeds[0]}")
        layout = FitLayout(seeds[0])
    config = read_config(layout)
    if "pruning" in config and every:
        return TrainedModel(weights=None, options=_options(layout), lottery=RunLayout(path))
    if "pruning" in config:
        example = next(iter(sorted(files.root for files in RunLayout(path).networks().values())), None)
        raise UserError(f"{path} is a lottery; name one of its networks, such as {example or path / _EXAMPLE}")
    return TrainedModel(weights=_weights(layout, lottery=False), options=_options(layout))


def run_options(network: Path) -> dict[str, Any]:
    """The model and the data of the run directory of a lottery's network: class paths and arguments.

    Raises:
        UserError: its configuration is damaged, or names what cannot be imported.
    """
    run = run_of(network)
    assert run is not None
    return _options(run)


_EXAMPLE = NetworkKey(0, "iterative", 1).path


def _weights(files: TrainingLayout, *, lottery: bool) -> Path:
    """The trained weights: of the best validation, else of the end, else of where a training in progress stands."""
    choices = (files.best, files.final, files.last) if lottery else (files.best, files.last)
    for path in choices:
        if path.exists():
            if path == files.last:
                warnings.warn(
                    f"{path} is taken, where the training stands: {choices[0].name} is not there", stacklevel=2
                )
            return path
        if path == files.best:
            check_file(path)  # one that was recorded is not replaced by other weights
    kept = "; run the lottery with pruning.keep [final]" if files.done.exists() else ""
    raise UserError(f"{files.root}: no trained weights there (no {' or '.join(path.name for path in choices)}){kept}")


def _options(run: RunDirectory) -> dict[str, Any]:
    config = read_config(run)
    trainer = {
        name: value for name in TRAINER_OPTIONS if (value := (config.get("trainer") or {}).get(name)) is not None
    }
    options = {name: config[name] for name in ("model", "data", *OPTIONS) if config.get(name) is not None}
    return _importable(options, run.config) | ({"trainer": trainer} if trainer else {})


def _importable(options: dict[str, Any], source: Path) -> dict[str, Any]:
    """The same options.

    Raises:
        UserError: the class of the model or the data cannot be imported from here.
    """
    for name in ("model", "data"):
        part = options.get(name)
        path = part.get("class_path") if isinstance(part, dict) else None
        if isinstance(path, str) and "." in path:
            import_object(path, f"{source}: its {name}")
    return options


def check_model(asked: dict[str, Any], weights: Path, stored: dict[str, Any]) -> None:
    """Make sure that the command line does not contradict what a checkpoint says of its model.

    Args:
        asked: the model's class path and arguments on the command line.
        weights: where the weights are from.
        stored: what is known of their model: class path and arguments; may be empty.

    Raises:
        UserError: naming the first option that differs, and both values.
    """
    ours, theirs = flatten({"model": asked}), flatten({"model": stored} if stored else {})
    for key, value in theirs.items():
        if key in ours and ours[key] != value:
            raise UserError(
                f"{key} is {ours[key]} on the command line and {value} in {weights}; leave it out, or name another "
                "checkpoint"
            )
