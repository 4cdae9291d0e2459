"""Only `lightning_internals` and `quiet_iterations` of `app.common` use private parts of Lightning."""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.loggers import CSVLogger, WandbLogger
from lightning.pytorch.loops import _EvaluationLoop, _FitLoop, _TrainingEpochLoop
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from lightning.pytorch.utilities.combined_loader import CombinedLoader

from app.common import lightning_internals, quiet_iterations

REPOSITORY = Path(__file__).resolve().parents[2]
ALLOWED = Path(lightning_internals.__file__)
ALLOWED_TOO = Path(quiet_iterations.__file__)
CLASSES = (
    *(Trainer, LightningModule, LightningDataModule, LightningCLI, CombinedLoader),
    *(_FitLoop, _TrainingEpochLoop, _EvaluationLoop, EarlyStopping, ModelCheckpoint),
    *(CSVLogger, WandbLogger, DDPStrategy, SingleDeviceStrategy),
)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def names_used(tree: ast.AST) -> set[str]:
    """Private names that a piece of code reads, sets, defines or passes to `getattr` as a string."""
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    found |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {name for name in found if is_private(name)}


def private_names(kind: type) -> set[str]:
    """Private attributes and methods of those bases of a class that are Lightning's."""
    found: set[str] = set()
    for base in kind.__mro__:
        if base.__module__.split(".")[0] == "lightning":
            found |= set(vars(base)) | names_of_self(ast.parse(textwrap.dedent(inspect.getsource(base))))
    return {name for name in found if is_private(name)}


def names_of_self(tree: ast.AST) -> set[str]:
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "self"}


LIGHTNINGS = set().union(*map(private_names, CLASSES)) | names_used(ast.parse(ALLOWED.read_text()))
# Loggers have a private attribute of the same name; of tensors torch documents it, in its notes on autograd.
OF_TENSORS = {"weight._version"}


def files() -> list[Path]:
    found = [path for top in ("app", "callbacks", "datamodules") for path in sorted((REPOSITORY / top).rglob("*.py"))]
    return [path for path in found if path not in (ALLOWED, ALLOWED_TOO)]


def violations(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lightning":
            parts = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            yield from (f"line {node.lineno} imports {part}" for part in parts if is_private(part))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "lightning" and any(map(is_private, alias.name.split("."))):
                    yield f"line {node.lineno} imports {alias.name}"
        elif isinstance(node, ast.Attribute):
            if ast.unparse(node) in OF_TENSORS:
                continue
            if node.attr in LIGHTNINGS and ast.unparse(node.value) not in ("self", "cls", "super()"):
                yield f"line {node.lineno} uses {ast.unparse(node)}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr", "hasattr", "delattr"):
            yield from (f"line {node.lineno} uses {each}" for each in LIGHTNINGS & names_used(node.args[1]))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.bases]
    if classes:
        name = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
        module = importlib.import_module(name)
        for node in classes:
            shared = private_names(getattr(module, node.name)) & names_used(node)
            yield from (f"{node.name} uses {each} of its base class" for each in sorted(shared))


@pytest.mark.parametrize("folder", sorted({str(path.parent.relative_to(REPOSITORY)) for path in files()}))
def test_no_other_file_uses_private_parts(folder: str) -> None:
    for path in files():
        if path.parent == REPOSITORY / folder:
            assert list(violations(path)) == [], path


CODE = {
    "import": "from lightning.pytorch.loops.utilities import _reset_progress",
    "import of a private module": "from lightning.fabric.utilities._something import thing",
    "attribute": "def f(trainer):\n    return trainer.fit_loop._data_fetcher",
    "getattr": "def f(trainer):\n    return getattr(trainer.strategy, '_start_method', None)",
}


@pytest.mark.parametrize("case", CODE)
def test_a_violation_is_found(tmp_path: Path, case: str) -> None:
    (tmp_path / "bad.py").write_text(CODE[case])
    assert len(list(violations(tmp_path / "bad.py"))) == 1


def test_a_private_name_of_a_base_class_is_found() -> None:
    assert "_trainer" in private_names(lightning_internals.CheapHooks)
    assert {"_experiment", "_id", "_wandb_init"} <= private_names(lightning_internals.OpenWandbLogger)
    assert {"_get", "_dump_config", "_parse_ckpt_path"} <= private_names(lightning_internals.OpenCLI)
