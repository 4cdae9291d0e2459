"""Which room knows which: the arrows of imports, drawn from the code. A new one is a decision; make it here."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

# Anyone may know these; they know nobody.
BASE = {"app.arguments", "app.best", "app.errors", "app.layout", "app.seeds", "app.text_files", "app.vocabulary"}
PURE: dict[str, set[str]] = {
    f"app.{name}": set() for name in ("nets", "pruning", "parsing", "grammar", "logic", "syntax")
}
ARROWS: dict[str, set[str]] = {
    **PURE,
    "app.modules": {"app.nets"},
    "callbacks": {"app.pruning", "app.parsing", "callbacks"},
    "datamodules": {"app.grammar", "app.logic", "app.parsing", "app.syntax", "datamodules"},
    "app.results": set(),
    "app.report": {"app.config", "app.history", "app.results", "app.report"},
    "app.provenance": set(),
    "app.ranks": set(),
    "app.signals": set(),
    "app.lock": set(),
    "app.config": {"app.provenance"},
    "app.loggers": set(),
    "app.history": set(),
    "app.checkpoints": {"app.modules"},
    "app.treebanks": {"app.parsing", "datamodules"},
    "app.parse": {"app.parsing"},
    "app.score": {"app.parsing"},
    "app.judge": {"app.report", "app.syntax"},
    "app.compare": {"app.judge", "app.report", "app.syntax"},
    "app.authors": {"datamodules"},
    "app.fitting": {
        *("app.checkpoints", "app.config", "app.history", "app.lock", "app.provenance", "app.ranks"),
        *("app.run_loggers", "app.signals", "app.training", "callbacks"),
    },
    "app.profiler": set(),
    "app.run_loggers": {"app.config", "app.loggers", "app.results"},
    "app.plan": {"app.pruning"},
    "app.training": {"app.provenance", "app.pruning", "app.results", "app.run_loggers", "callbacks", "datamodules"},
    "app.rounds": {"app.pruning", "app.ranks", "app.results", "app.training"},
    "app.workers": {"app.pruning", "callbacks"},
    "app.experiment": {
        *("app.pruning", "app.ranks", "app.report", "app.rounds", "app.run_loggers", "app.signals", "app.training"),
        *("app.workers", "callbacks", "datamodules"),
    },
    "app.status": {"app.config", "app.history", "app.lock", "app.pruning", "app.results"},
    "app.trainer": {
        *("app.checkpoints", "app.config", "app.experiment", "app.judge", "app.lock", "app.parse", "app.plan"),
        *("app.pruning", "app.ranks", "app.training", "app.treebanks", "app.workers", "callbacks", "datamodules"),
    },
    "app.cli": {
        *("app.checkpoints", "app.fitting", "app.modules", "app.nets", "app.profiler", "app.trainer", "app.workers"),
        "datamodules",
    },
    "app.bench": {
        *("app.cli", "app.modules", "app.nets", "app.profiler", "app.provenance", "app.pruning", "app.run_loggers"),
        *("app.training", "app.workers", "callbacks", "datamodules"),
    },
    "app.__main__": {
        *("app.cli", "app.authors", "app.bench", "app.compare", "app.report", "app.score", "app.status"),
        "app.workers",
    },
}
FORBIDDEN_IN_PURE = {"lightning", "wandb", "pytorch_lightning"}


def modules() -> list[Path]:
    return [path for room in ("app", "callbacks", "datamodules") for path in sorted((REPOSITORY / room).rglob("*.py"))]


def room(name: str) -> str:
    """The room that a module is in: a package, or a single file of app."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "app" else parts[0]


def imported(path: Path) -> set[str]:
    """Full names of what a file imports; `from app import x` is app.x."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"app.{alias.name}" for alias in node.names} if node.module == "app" else {node.module}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_arrows(path: Path) -> None:
    here = room(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))
    if here in BASE or path == REPOSITORY / "app/__init__.py":
        allowed: set[str] = BASE
    else:
        assert here in ARROWS, f"{here} is a new room: say in this test what it may know"
        allowed = ARROWS[here] | BASE | {here}
    ours = {room(name) for name in imported(path) if name.split(".")[0] in ("app", "callbacks", "datamodules")}
    assert ours - {"app.__version__"} <= allowed, f"{here} should not know {ours - allowed}"


@pytest.mark.parametrize("pure", sorted(PURE | dict.fromkeys(BASE)))
def test_pure_rooms_know_neither_lightning_nor_wandb(pure: str) -> None:
    base = REPOSITORY / pure.replace(".", "/")
    for path in [base.with_suffix(".py")] if base.with_suffix(".py").exists() else base.rglob("*.py"):
        assert not {name.split(".")[0] for name in imported(path)} & FORBIDDEN_IN_PURE, path


def test_packages_are_ours() -> None:
    import callbacks
    import datamodules

    for package in (callbacks, datamodules):
        assert Path(package.__file__).is_relative_to(REPOSITORY), "another package of that name is in the way"


def test_every_package_is_listed() -> None:
    import tomllib

    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    packages = {".".join(path.parent.relative_to(REPOSITORY).parts) for path in modules() if path.name == "__init__.py"}
    assert packages == set(listed)
