"""The compiled time steps: doing without them, and the accuracy of their functions."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from app.nets import LSTM, ONLSTM, compiled_library
from app.nets.fused.build import SOURCES, library

needs_compiler = pytest.mark.skipif(library() is None, reason="no C++ compiler")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache directory; the loaded library is forgotten after the test."""
    monkeypatch.setattr(compiled_library, "cache", lambda: tmp_path / "cache")
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
    assert {path.suffix for path in SOURCES.folder.iterdir()} == {".cpp", ".h"}
    assert (SOURCES.folder / "recurrent.cpp").exists()


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
    monkeypatch.setattr(compiled_library, "cache", lambda: elsewhere)
    monkeypatch.setenv("CXX", "/nowhere/c++ -v" if does is None else compiler(tmp_path / "c++", does))
    with caplog.at_level(logging.INFO, compiled_library.__name__):
        found = some_output()
        assert library() is None
    assert says in caplog.messages[-1]
    library.cache_clear()
    monkeypatch.undo()
    torch.testing.assert_close(found, some_output(), rtol=0, atol=1e-6)


def test_a_folder_that_cannot_be_written(elsewhere: Path) -> None:
    elsewhere.write_text("a file")
    assert library() is None


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
