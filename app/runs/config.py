"""config.yaml of a run directory: whose it is, and whether a command goes on with it."""

import warnings
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

import yaml

from app.common.errors import UserError
from app.common.files import write_atomically
from app.runs.best_validation import Best
from app.runs.layout import RunDirectory
from app.runs.provenance import versions

# Where things are and how they are shown; the networks that come out do not depend on them.
WITHOUT_EFFECT = (
    "config",
    "experiment",
    "runs",
    "checkpoint_seconds",
    "pruning.plan",
    "pruning.workers",
    "pruning.oversubscribe",
    "trainer.logger",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
    "trainer.default_root_dir",
    "trainer.profiler",
    "data.init_args.data_dir",
    "data.init_args.download",
    "data.init_args.mirrors",
    "ckpt_path",
    "weights_only",
)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one level with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def effective(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a configuration, flat, that decides which networks are trained and how."""
    return {
        key: value
        for key, value in flatten(config).items()
        if not any(key == idle or key.startswith(f"{idle}.") for idle in WITHOUT_EFFECT)
    }


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], free: Collection[str] = ()) -> list[str]:
    """What differs in effect, as "key: theirs -> ours", sorted; `free` names keys that may."""
    kept = [{key: value for key, value in effective(config).items() if key not in free} for config in (theirs, ours)]
    return _changes(*kept)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    keys = sorted(before.keys() | after.keys())
    return [f"{key}: {before.get(key)} -> {after.get(key)}" for key in keys if before.get(key) != after.get(key)]


def claim(layout: RunDirectory, config: Mapping[str, Any], free: Collection[str] = (), *, begun: bool = True) -> None:
    """Write config.yaml into a new run directory, or make sure that an existing one was made by the same.

    Args:
        layout: the run directory.
        config: the whole configuration.
        free: keys that may have changed since, such as the length of a training.
        begun: whether anything has been saved there; if not, whoever comes may begin, whatever was tried before.

    Raises:
        UserError: the directory was made by a configuration that trains other networks, or holds something else.
    """
    if not layout.config.exists():
        if layout.root.exists() and any(path.name != layout.lock.name for path in layout.root.iterdir()):
            raise UserError(f"{layout.root} exists and is no run directory (no config.yaml); choose another experiment")
        _write(layout, config)
        return
    if not begun:
        _write(layout, config)
        return
    # Directories from before the option had its default.
    theirs = {"best": asdict(Best())} | read_config(layout)
    made_with = theirs.pop("versions", {})
    if different := differences(config, theirs, free):
        raise UserError(
            f"{layout.root} was made by a different configuration ({'; '.join(different)}); "
            "choose another --experiment, or the same configuration to go on"
        )
    if changed := _changes(made_with, versions()):
        warnings.warn(
            f"{layout.root} was begun with other versions ({'; '.join(changed)}): bits may differ", stacklevel=2
        )


def _write(layout: RunDirectory, config: Mapping[str, Any]) -> None:
    document = {"versions": versions()} | dict(config)
    write_atomically(layout.config, yaml.safe_dump(document, sort_keys=False))


def read_config(layout: RunDirectory) -> dict[str, Any]:
    """config.yaml as nested dictionaries.

    Raises:
        UserError: it is missing or is not YAML.
    """
    try:
        config = yaml.safe_load(layout.config.read_text())
    except FileNotFoundError:
        raise UserError(f"{layout.root}: no run directory there (no config.yaml)") from None
    except yaml.YAMLError as error:
        raise UserError(f"{layout.config}: not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(config, dict):
        raise UserError(f"{layout.config}: not a configuration")
    return config
