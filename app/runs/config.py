"""config.yaml of a run directory, and whether a command may continue in the directory."""

import hashlib
import json
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any

import yaml

from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.kernel_sets import KERNELS, LIBRARIES, is_record
from app.common.text_files import read_bytes, read_yaml
from app.runs.checksums import read_checksums, record
from app.runs.kernels import NONE_YET, with_kernels
from app.runs.layout import LOCK, RunDirectory
from app.runs.provenance import versions

# Options that set where files are and what is shown; the trained networks do not depend on them.
WITHOUT_EFFECT = (
    "config",
    "experiment",
    "runs",
    "checkpoint_seconds",
    "allow_other_kernels",
    "gpu_kernels",
    "break_locks",
    "pruning.plan",
    "pruning.workers",
    "pruning.stack",
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

# Newer options that an old run directory may lack, with the values that it was made with.
BEFORE_OPTIONS: dict[str, Any] = {
    "matmul_precision": "highest",
    "conv_precision": "default",
    "best.monitor": "val_loss",
    "best.mode": "min",
    "data.init_args.gray": False,
    "model.init_args.channels_last": False,
    "model.init_args.compiled": False,
    "model.init_args.ar_output": "dropped",
    "model.init_args.softmax": "dense",
    "model.init_args.softmax_cutoffs": None,
    "pruning.score": "magnitude",
    "pruning.resume_schedule": False,
    "pruning.least_per_layer": 0,
    "pruning.sparse": None,
}

# The same of options of callbacks, by the class of the callback.
BEFORE_CALLBACK_OPTIONS: dict[str, dict[str, Any]] = {
    "NTASGD": {"keep": "averages"},
    "ParseLogging": {
        "tags": None,
        "lower_case": None,
        "numbers": None,
        "punctuation": False,
        "labels": None,
        "encoding": None,
    },
}
CALLBACKS = "trainer.callbacks"

# Those that change some networks only, with the names of their classes.
OF_NETWORKS = {"model.init_args.compiled": ("LeNet", "Sequential")}

# Lotteries of an ON-LSTM ranked the master gates' weights with those of the other gates before they had kinds of their
# own, which no value of the option says.
PRUNABLE = "model.init_args.prunable"

# Options that have Lightning's own defaults now; before run directories had a schema.json, every training had the
# defaults of a lottery.
FORMER_DEFAULTS = (
    "trainer.use_distributed_sampler",
    "trainer.num_sanity_val_steps",
    "trainer.val_check_interval",
    "trainer.check_val_every_n_epoch",
)

# Half a configuration is a configuration, too, of another run.
HEADER = "# The configuration of a run, complete if it ends with three dots.\n"

Config = dict[str, Any]


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested mappings into one level with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def effective(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a configuration, with dotted keys, that determines the trained networks."""
    return {
        key: value
        for key, value in flatten(config).items()
        if not any(key == idle or key.startswith(f"{idle}.") for idle in WITHOUT_EFFECT)
    }


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], free: Collection[str] = ()) -> list[str]:
    """The differences that affect the networks, as "key: theirs -> ours", sorted.

    Args:
        ours: the configuration of the command.
        theirs: the configuration of the run directory.
        free: keys that may differ, including all keys below them.
    """
    before, after = (
        {key: value for key, value in effective(each).items() if not _is_in(key, free)} for each in (theirs, ours)
    )
    network = str(after.get("model.init_args.net.class_path", "")).rpartition(".")[2]
    for key, value in BEFORE_OPTIONS.items():
        if key in after:
            before.setdefault(key, value if network in OF_NETWORKS.get(key, (network,)) else after[key])
    if PRUNABLE in after and network == "ONLSTM" and any(key.startswith("pruning.") for key in after):
        before.setdefault(PRUNABLE, "ih and hh of all gates together")
    if isinstance(before.get(CALLBACKS), list):
        before[CALLBACKS] = [_with_newer_options(each) for each in before[CALLBACKS]]
    return _changes(before, after)


def _with_newer_options(callback: Any) -> Any:
    """A callback of a configuration, with the options that it was made with and that there were not then."""
    if not isinstance(callback, Mapping) or not isinstance(callback.get("init_args", {}), Mapping):
        return callback
    newer = BEFORE_CALLBACK_OPTIONS.get(str(callback.get("class_path", "")).rpartition(".")[2], {})
    return {**callback, "init_args": {**newer, **callback.get("init_args", {})}} if newer else callback


def _is_in(key: str, free: Collection[str]) -> bool:
    return any(key == each or key.startswith(f"{each}.") for each in free)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    keys = sorted(before.keys() | after.keys())
    return [f"{key}: {before.get(key)} -> {after.get(key)}" for key in keys if before.get(key) != after.get(key)]


def claim(
    layout: RunDirectory,
    config: Mapping[str, Any],
    free: Collection[str] = (),
    *,
    begun: bool = True,
    merge: Callable[[Config, Config], Config] | None = None,
    kernels: Mapping[str, str] | None = None,
    trained_elsewhere: bool = False,
) -> None:
    """Write config.yaml into a new run directory, or check that the command may continue in an existing one.

    Args:
        layout: the run directory.
        config: the whole configuration.
        free: keys that may differ, such as the length of a training.
        begun: whether anything has been saved there; if not, the configuration replaces the one that is there.
        merge: combines the configurations of the directory and of the command into a new config.yaml; by default
            config.yaml stays as it is.
        kernels: what networks are trained with here (`app.common.used_kernels.kernels`); None if none is trained.
            Others than the directory's are refused unless the configuration has `allow_other_kernels`.
        trained_elsewhere: none is trained here, and the first command that trains any records its kernels.

    Raises:
        UserError: the directory was made by a configuration that trains other networks, or with other kernels, or is
            no run directory.
    """
    if not layout.config.exists():
        _check_restorable(layout, _fingerprint(config, free))
        _write(layout, config, _made_with(kernels) | ({KERNELS: NONE_YET} if trained_elsewhere else {}))
        record(layout.root, {layout.config.name: _fingerprint(config, free)})
        return
    theirs = _read_ours(layout)
    if "versions" not in theirs:  # every run writes them
        raise UserError(
            f"{layout.root} exists and is no run directory (no run has written its config.yaml); choose another "
            "experiment"
        )
    if not begun:
        _write(layout, config, _made_with(kernels))
        record(layout.root, {layout.config.name: _fingerprint(config, free)})
        return
    made_with: Config = {name: theirs.pop(name) for name in ("versions", KERNELS) if name in theirs}
    if not layout.schema.exists():
        free = [*free, *_renamed_defaults(config, theirs)]
    if different := differences(config, theirs, free):
        same = "the same configuration"
        if any(each.startswith("model.init_args.vocabulary_size:") for each in different):
            same += "; vocabulary_size auto is the number of words in the data's files: put the former ones back"
        raise UserError(
            f"{layout.root} was made by a different configuration ({'; '.join(different)}); "
            f"choose another --experiment, or continue with {same}"
        )
    before = dict(made_with)
    if kernels is not None:
        allowed = bool(config.get("allow_other_kernels"))
        entry = with_kernels(layout, made_with.get(KERNELS), kernels, allowed=allowed)
        made_with |= {KERNELS: entry} if KERNELS in made_with else {}
    merged = theirs if merge is None else merge(theirs, dict(config))
    if merged != theirs or made_with != before:
        _write(layout, merged, made_with)
    then, now = dict(made_with.get("versions", {})), versions()
    if kernels is not None and is_record(made_with.get(KERNELS)) and LIBRARIES in made_with[KERNELS][0]:
        then["torch"] = now["torch"]  # another one has been told with the kernels
    if changed := _changes(then, now):
        warnings.warn(
            f"{layout.root} was begun with other versions ({'; '.join(changed)}); bits of results may differ",
            stacklevel=2,
        )


def _fingerprint(config: Mapping[str, Any], free: Collection[str]) -> str:
    """The checksum of the part of a configuration that no command may change: whoever has it can write it again."""
    fixed = {key: value for key, value in effective(config).items() if not _is_in(key, free)}
    return hashlib.sha256(json.dumps(fixed, sort_keys=True, default=str).encode()).hexdigest()


def _check_restorable(layout: RunDirectory, fingerprint: str) -> None:
    """Check that config.yaml may be written into a directory that has none.

    Raises:
        UserError: it is no run directory, or one of another configuration.
    """
    if not layout.root.exists() or all(path.name.startswith(LOCK) for path in layout.root.iterdir()):
        return
    before = read_checksums(layout.root).get(layout.config.name)
    if before is None:
        raise UserError(f"{layout.root} exists and is no run directory (no config.yaml); choose another experiment")
    if before != fingerprint:
        raise UserError(
            f"{layout.config}: no such file, and the directory was made by a different configuration; put the file "
            "back, or choose another --experiment"
        )


def _read_ours(layout: RunDirectory) -> Config:
    """Read config.yaml of a directory that a command is to go on in."""
    try:
        return read_config(layout)
    except UserError as error:
        if layout.config.name not in read_checksums(layout.root):
            raise
        raise UserError(f"{error}; delete {layout.config}, and the same command writes it again") from None


def _renamed_defaults(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """The Trainer options whose former default an old directory holds and whose value now is Lightning's default."""
    mine, before = flatten(ours), flatten(theirs)
    same = {"trainer.val_check_interval": (1.0, None)}
    return [key for key in FORMER_DEFAULTS if key not in same or {mine.get(key), before.get(key)} <= {*same[key]}]


def _made_with(kernels: Mapping[str, str] | None) -> Config:
    """The entries of config.yaml that are no options: versions, and every set of kernels that trained its networks."""
    return {"versions": versions()} | ({KERNELS: [dict(kernels)]} if kernels is not None else {})


def _write(layout: RunDirectory, config: Mapping[str, Any], made_with: Mapping[str, Any]) -> None:
    document = yaml.safe_dump({**made_with, **config}, sort_keys=False, explicit_end=True)
    write_atomically(layout.config, HEADER + document)


def read_config(layout: RunDirectory) -> Config:
    """config.yaml as nested dictionaries.

    Raises:
        UserError: the file is missing, cut short or not YAML.
    """
    if not layout.config.exists():
        raise UserError(f"{layout.root}: no run directory there (no config.yaml); name one that has this file")
    config = read_yaml(layout.config)
    if not isinstance(config, dict) or not all(isinstance(name, str) for name in config):
        raise UserError(f"{layout.config}: not a configuration")
    content = read_bytes(layout.config)
    if content.startswith(HEADER.encode()) and not content.rstrip().endswith(b"\n..."):
        raise UserError(f"{layout.config}: cut short (it does not end with three dots)")
    return _with_todays_scope(config)


def recorded_kernels(layout: RunDirectory) -> list[Mapping[str, Any]]:
    """Every set of kernels that trained the networks of a run directory; empty if it has no record of them.

    Raises:
        UserError: config.yaml is cut short or not YAML.
    """
    entry = read_config(layout).get(KERNELS) if layout.config.exists() else None
    return entry if is_record(entry) else []


def _with_todays_scope(config: Config) -> Config:
    """The scope `kind` was called global before there was the option `least_per_layer`, which is as old as its name."""
    pruning = config.get("pruning")
    if isinstance(pruning, dict) and pruning.get("scope") == "global" and "least_per_layer" not in pruning:
        return {**config, "pruning": pruning | {"scope": "kind"}}
    return config
