"""Which room knows which, drawn from the imports. A new arrow is a decision: make it here."""

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

# Every room and those that it may import; all of them may import `common`.
ARROWS: dict[str, set[str]] = {
    "common": set(),
    "nets": set(),
    "stacked": {"nets"},  # LeNets have products of their own
    "pruning": {"nets"},  # `sparsify` swaps in the layers of nets that compute with survivors alone
    "parsing": set(),
    "grammar": set(),
    "logic": set(),
    "syntax": set(),
    "plotting": {"parsing"},  # a tree is drawn from its brackets
    "runs": {"pruning"},
    "modules": {"nets", "pruning"},  # moments such as 80ep are written as rewind points are
    "callbacks": {"parsing", "pruning"},
    "datamodules": {"grammar", "logic", "parsing", "syntax"},
    "training": {"callbacks", "runs"},
    "charts": {"plotting"},  # a chart shows what a figure is drawn from
    "report": {"charts", "parsing", "plotting", "runs", "syntax"},  # trees and scores of syntax are read from files
    "lottery": {"callbacks", "pruning", "report", "runs", "stacked", "training"},
    "authors": {"datamodules"},
    "commands": {"lottery", "parsing", "plotting", "pruning", "runs", "syntax"},
    # How a treebank is read is an option of `parse`.
    "cli": {"commands", "datamodules", "lottery", "modules", "nets", "parsing", "runs", "training"},
    "bench": {
        *("callbacks", "cli", "datamodules", "lottery", "modules"),
        *("nets", "plotting", "pruning", "runs", "training"),
    },
    "__main__": {"authors", "bench", "cli", "commands", "report", "lottery"},
}
# The files of `common` that are about Lightning: its rank, and its private parts.
OF_LIGHTNING = ("ranks.py", "lightning_internals.py", "quiet_iterations.py")
PURE = ("common", "nets", "stacked", "pruning", "parsing", "grammar", "logic", "syntax", "plotting", "charts")
TOP = ("app", "callbacks", "datamodules")


def files() -> list[Path]:
    return [path for top in TOP for path in sorted((REPOSITORY / top).rglob("*.py"))]


def room(name: str) -> str:
    """The room of a module by its full name: app.nets.lenet is in nets, callbacks.progress in callbacks."""
    parts = name.split(".")
    return (parts[1] if len(parts) > 1 else "") if parts[0] == "app" else parts[0]


@cache
def imported(path: Path) -> frozenset[str]:
    """Full names of what a file imports; `from app import x` is app.x."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"app.{alias.name}" for alias in node.names} if node.module == "app" else {node.module}
    return frozenset(names)


def room_of(path: Path) -> str:
    return room(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))


@pytest.mark.parametrize("here", sorted({room_of(path) for path in files()} - {"__init__"}))
def test_arrows(here: str) -> None:
    assert here in ARROWS, f"{here} is a new room: say in this test what it may know"
    for path in files():
        if room_of(path) == here:
            ours = {room(name) for name in imported(path) if name.split(".")[0] in TOP}
            unknown = ours - {here, "common", "__version__"} - ARROWS[here]
            assert not unknown, f"{path}: {here} should not know {', '.join(sorted(unknown))}"


def test_no_arrow_is_left_over() -> None:
    """An arrow that nothing needs any more is taken out."""
    drawn: dict[str, set[str]] = {name: set() for name in ARROWS}
    for path in files():
        if (here := room_of(path)) in ARROWS:
            drawn[here] |= {room(name) for name in imported(path) if name.split(".")[0] in TOP} - {here, "common"}
    assert {name: allowed - drawn[name] for name, allowed in ARROWS.items() if allowed - drawn[name]} == {}


def test_no_circle() -> None:
    """Arrows run one way."""
    left = {name: set(known) for name, known in ARROWS.items()}
    while free := [name for name, known in left.items() if not known & left.keys()]:
        for name in free:
            del left[name]
    assert not left


@pytest.mark.parametrize("pure", PURE)
def test_pure_rooms_know_neither_lightning_nor_wandb(pure: str) -> None:
    for path in files():
        if room_of(path) == pure and path.name not in OF_LIGHTNING:
            names = {name.split(".")[0] for name in imported(path)}
            assert not names & {"lightning", "wandb", "pytorch_lightning"}, path


def test_only_plotting_knows_matplotlib() -> None:
    for path in files():
        names = {name.split(".")[0] for name in imported(path)}
        assert "matplotlib" not in names or room_of(path) == "plotting", path


def test_only_charts_know_vega() -> None:
    for path in files():
        names = {name.split(".")[0] for name in imported(path)}
        assert "vl_convert" not in names or room_of(path) == "charts", path


def test_packages_are_ours() -> None:
    import callbacks
    import datamodules

    for package in (callbacks, datamodules):
        assert Path(package.__file__).is_relative_to(REPOSITORY), "another package of that name is in the way"


def test_every_package_is_listed() -> None:
    setuptools = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    listed = set(setuptools["packages"]) - set(setuptools["package-dir"])  # configurations have no code
    packages = {".".join(path.parent.relative_to(REPOSITORY).parts) for path in files() if path.name == "__init__.py"}
    assert packages == listed
