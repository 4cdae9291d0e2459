"""The configurations that come with the program, wherever the command is given: `--config lenet_mnist_short`.

In a clone they are the folder `configs` at its top; an installation has that folder in the package `app`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from app.common.errors import UserError

ENDINGS = (".yaml", ".yml")
CONFIG = ("--config", "-c")
# Folders of parts, which are no experiments: --trainer configs/trainer/gpu.yaml
PARTS = ("trainer", "data", "model", "logger")
SWEEPS = "sweeps"  # W&B's, which name an experiment

_FOLDER = "configs/"


def with_paths(argv: Sequence[str]) -> list[str]:
    """A command line in which the configurations that come with the program are named by their paths.

    `--config` takes the name of an experiment, with or without its folder and `.yaml`: `lenet_mnist_short`,
    `ptb/on_lstm_small`, `configs/ptb/on_lstm_small.yaml`. Other options take the last of these alone, also for a part.
    A file of the user's that has this path comes first.

    Raises:
        UserError: several experiments have the name.
    """
    return list(_with_paths(argv))


def _with_paths(argv: Sequence[str]) -> Iterator[str]:
    before = ""
    for argument in argv:
        option, equals, value = argument.partition("=")
        if before in CONFIG or not (equals and option.startswith("-")):
            option, equals, value = before, "", argument
        path = _path(option, value)
        yield argument if path is None else f"{option}=" * bool(equals) + str(path)
        before = argument


def _path(option: str, name: str) -> Path | None:
    """The path of the configuration that an option's value names; None if it names none of these."""
    if option in CONFIG:
        found = _experiments(name.removeprefix(_FOLDER))
    elif name.startswith(_FOLDER):
        found = {each: path for each, path in shipped_configs().items() if f"{_FOLDER}{each}" == name}
    else:
        return None
    if not found or Path(name).exists():
        return None
    if len(found) > 1:
        names = ", ".join(each.removesuffix(".yaml") for each in found)
        raise UserError(f"{option} {name}: several configurations have this name; choose one of {names}")
    return next(iter(found.values()))


def _experiments(name: str) -> Mapping[str, Path]:
    """The experiment of this path, or else all that have this name."""
    file = name if name.endswith(ENDINGS) else f"{name}.yaml"
    experiments = {each: path for each, path in shipped_configs().items() if each.split("/")[0] not in (*PARTS, SWEEPS)}
    if file in experiments:
        return {file: experiments[file]}
    return {each: path for each, path in experiments.items() if each.split("/")[-1] == file}


def shipped_configs() -> Mapping[str, Path]:
    """All of them, sorted, by their paths within the folder, such as "ptb/on_lstm_small.yaml"."""
    package = Path(__file__).resolve().parents[1]
    folder = next((each for each in (package / "configs", package.parent / "configs") if each.is_dir()), None)
    return (
        {} if folder is None else {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.yaml"))}
    )
