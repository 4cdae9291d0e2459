"""A run directory that was packed on the machine with the GPU is the same when it is unpacked."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from helpers.command import REPOSITORY


@pytest.fixture(scope="module")
def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lenet_study", REPOSITORY / "tests/gpu/lenet_study.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_packed_and_unpacked(
    study: ModuleType, run_at_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables, reports and masks to the byte, in files of limited size; of the weights those still needed."""
    monkeypatch.setattr(study, "PART", 4_000)
    study.pack(run_at_once, tmp_path / "packed")
    parts = list((tmp_path / "packed").iterdir())
    assert len(parts) > 1
    assert all(path.stat().st_size <= 4_000 for path in parts)
    study.unpack(tmp_path / "packed", tmp_path / "home")
    home = tmp_path / "home" / run_at_once.name
    left_out = {path.relative_to(run_at_once) for path in run_at_once.rglob("*") if path.is_file()} - {
        path.relative_to(home) for path in home.rglob("*")
    }
    assert {path.name for path in left_out} <= {"final.safetensors", ".lock"}
    assert not any("round_00" in path.parts for path in left_out)
    for path in home.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (run_at_once / path.relative_to(home)).read_bytes(), path
