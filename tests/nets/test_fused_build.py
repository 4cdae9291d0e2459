"""Compiling the time steps, caching them, running without them, and the accuracy of their functions."""

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from app.nets import LSTM, ONLSTM
from app.nets.fused import build
from app.nets.fused.build import SOURCES, library

needs_compiler = pytest.mark.skipif(library() is None, reason="no C++ compiler")


@pytest.fixture
def real_library() -> Path:
    """The compiled library in the user's cache."""
    found = library()
    assert found is not None
    return Path(found._name)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache directory; the loaded library is forgotten after the test."""
    monkeypatch.setattr(build, "_cache", lambda: tmp_path / "cache")
    library.cache_clear()
    yield tmp_path / "cache"
    library.cache_clear()


def compiler(path: Path, does: str) -> str:
    """A script that stands in for a compiler. Its arguments end with the output file."""
    path.write_text(f"#!/bin/sh\nwhile [ $# -gt 1 ]; do shift; done\n{does}\n")
    path.chmod(0o755)
    return str(path)


def some_output() -> torch.Tensor:
    torch.manual_seed(0)
    return ONLSTM(3, [4], 2)(torch.randn(5, 2, 3))[0]


def test_the_sources_are_where_they_should_be() -> None:
    assert {path.suffix for path in SOURCES.iterdir()} == {".cpp", ".h"}
    assert SOURCES / "recurrent.cpp" in SOURCES.glob("*.cpp")


def test_the_cache_is_the_users() -> None:
    assert build._cache().name == "trees-and-tickets"
    assert not build._cache().is_relative_to(SOURCES.parent)


@needs_compiler
def test_built_once_and_found_again(
    real_library: Path,
    elsewhere: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("CXX", compiler(tmp_path / "c++", f"echo built >> {tmp_path}/log; cp {real_library} $1"))
    with caplog.at_level(logging.INFO, build.__name__):
        for _ in range(3):
            assert library() is not None
            library.cache_clear()
    assert (tmp_path / "log").read_text() == "built\n"
    digest = hashlib.sha256(real_library.read_bytes()).hexdigest()[:16]
    assert [path.name for path in elsewhere.iterdir()] == [f"recurrent-{build._key()}-{digest}.so"]
    (told,) = caplog.messages
    assert told.startswith("Compiling")


@needs_compiler
@pytest.mark.parametrize("left", [0, 1, 1_000, -1])
def test_a_damaged_library_is_built_again(
    left: int, real_library: Path, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading a library that was cut short kills the process with SIGBUS."""
    monkeypatch.setenv("CXX", compiler(tmp_path / "c++", f"echo built >> {tmp_path}/log; cp {real_library} $1"))
    assert library() is not None
    (built,) = elsewhere.iterdir()
    whole = built.read_bytes()
    # Not written in place: the file is mapped into this process.
    damaged = tmp_path / "damaged"
    damaged.write_bytes(whole[:left])
    damaged.replace(built)
    library.cache_clear()
    assert library() is not None
    assert (tmp_path / "log").read_text() == "built\nbuilt\n"
    assert built.read_bytes() == whole
    assert build.library_digest() == hashlib.sha256(whole).hexdigest()[:16]


@needs_compiler
def test_several_build_at_once_and_each_finds_a_whole_file(
    real_library: Path, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No build sees the partial file of another, and one file remains."""
    slowly = f"head -c 1000 {real_library} > $1; sleep 0.1; tail -c +1001 {real_library} >> $1"
    monkeypatch.setenv("CXX", compiler(tmp_path / "c++", slowly))
    seen = set()

    def compile(_: int) -> None:
        seen.add(build._build().read_bytes())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(compile, range(4)))
    assert seen == {real_library.read_bytes()}
    assert len(list(elsewhere.iterdir())) == 1


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("echo 'no such flag' >&2; exit 1", "no such flag"),
        ("printf nonsense > $1", "recurrent-"),
        ("exit 0", "No such file"),
        (None, "no C++ compiler (/nowhere/c++ -v); the variable CXX can name one"),
    ],
    ids=["fails", "writes nonsense", "writes nothing", "is missing"],
)
def test_without_a_build_the_layers_read_all_the_same(
    does: str | None, says: str, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    library.cache_clear()
    monkeypatch.setattr(build, "_cache", lambda: elsewhere)
    monkeypatch.setenv("CXX", "/nowhere/c++ -v" if does is None else compiler(tmp_path / "c++", does))
    with caplog.at_level(logging.INFO, build.__name__):
        found = some_output()
        assert library() is None
    assert says in caplog.messages[-1]
    library.cache_clear()
    monkeypatch.undo()
    torch.testing.assert_close(found, some_output(), rtol=0, atol=1e-6)


def test_a_folder_that_cannot_be_written(elsewhere: Path) -> None:
    elsewhere.write_text("a file")
    assert library() is None


def test_the_name_tells_source_flags_and_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = {build._key(), build._key()}
    assert len(names) == 1
    monkeypatch.setattr(build, "FLAGS", ("-O0",))
    names.add(build._key())
    monkeypatch.setattr(build.platform, "machine", lambda: "another")
    names.add(build._key())
    shutil.copytree(SOURCES, tmp_path / "csrc")
    monkeypatch.setattr(build, "SOURCES", tmp_path / "csrc")
    assert build._key() in names
    with (tmp_path / "csrc" / "cells.h").open("a") as file:
        file.write("// changed\n")
    names.add(build._key())
    assert len(names) == 4


@needs_compiler
@pytest.mark.parametrize(("gate", "right"), [("input", torch.sigmoid), ("candidate", torch.tanh)])
def test_the_functions_are_exact_to_3e_7(gate: str, right: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """The relative error, measured with an LSTM whose gates are fully open or closed except one."""
    x = torch.cat([torch.linspace(-100, 100, 40_001), torch.logspace(-30, 30, 2_000), -torch.logspace(-30, 30, 2_000)])
    net = LSTM(1, [1])
    (layer,) = net.layers
    rows = {"input": 0, "forget": 1, "candidate": 2, "output": 3}
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.bias_ih.copy_(torch.tensor([100.0, -100.0, 100.0, 100.0]))
        layer.bias_ih[rows[gate]] = 0
        layer.weight_ih[rows[gate]] = 1
        _, (_, (c,)), _ = net(x.expand(5, -1).unsqueeze(-1))
    exact = right(x.double())
    # A float32 below 1.2e-38 has fewer digits.
    assert ((c.squeeze(1) - exact).abs() <= 3e-7 * exact.abs() + 1.3e-38).all()
