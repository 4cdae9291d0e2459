"""Compiling C++ once, keeping the library, and doing without it."""

import ctypes
import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn

from app.modules import Classifier
from app.nets import LeNet, compiled_library, feedforward
from app.nets.compiled_library import Sources
from app.nets.feedforward import native

needs_compiler = pytest.mark.skipif(feedforward.library() is None, reason="no C++ compiler")


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    """Code of two files whose library goes into an empty cache."""
    monkeypatch.setattr(compiled_library, "cache", lambda: tmp_path / "cache")
    folder = tmp_path / "sums" / "csrc"
    folder.mkdir(parents=True)
    (folder / "sum.cpp").write_text('#include "seven.h"\nextern "C" int sum(int a) { return a + SEVEN; }\n')
    (folder / "seven.h").write_text("#define SEVEN 7\n")
    return Sources("sums", folder, "Sums", ["-DEXTRA"])


@needs_compiler
def test_built_once_and_found_again(sources: Sources, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, compiled_library.__name__):
        for _ in range(2):
            found = sources.library()
            assert found is not None
            assert found.sum(ctypes.c_int(4)) == 11
    assert len(caplog.messages) == 1
    (path,) = (tmp_path / "cache").iterdir()
    assert path.name == f"sums-{sources.key()}-{found.digest}.so"
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@needs_compiler
@pytest.mark.parametrize("left", [0, 1000])
def test_a_damaged_library_is_built_again(sources: Sources, tmp_path: Path, left: int) -> None:
    path, damaged = sources._build(), tmp_path / "damaged"
    damaged.write_bytes(path.read_bytes()[:left])
    damaged.replace(path)  # not written in place: the file is mapped into this process
    found = sources.library()
    assert found is not None
    assert found.sum(ctypes.c_int(1)) == 8


@needs_compiler
def test_several_build_at_once_and_each_finds_a_whole_file(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No build sees the partial file of another, and one file remains."""
    whole = sources._build()
    content, kept = whole.read_bytes(), tmp_path / "whole.so"
    whole.rename(kept)
    # The arguments end with -o and the output file.
    slowly = f"head -c 1000 {kept} > $1; sleep 0.1; tail -c +1001 {kept} >> $1"
    compiler = tmp_path / "c++"
    compiler.write_text(f"#!/bin/sh\nwhile [ $# -gt 1 ]; do shift; done\n{slowly}\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with ThreadPoolExecutor(4) as pool:
        seen = set(pool.map(lambda _: sources._build().read_bytes(), range(4)))
    assert seen == {content}
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_the_name_tells_files_flags_and_processor(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {sources.key(), sources.key(), Sources("sums", sources.folder, "Sums").key()}
    (sources.folder / "seven.h").write_text("#define SEVEN 8\n")
    keys.add(sources.key())
    monkeypatch.setattr(compiled_library.platform, "machine", lambda: "another")
    keys.add(sources.key())
    assert len(keys) == 4


def test_the_cache_is_the_users() -> None:
    assert compiled_library.cache().name == "trees-and-tickets"
    assert not compiled_library.cache().is_relative_to(native.SOURCES.folder.parent)


def test_a_cache_that_cannot_be_written(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert sources.library() is None


@pytest.mark.parametrize(
    ("does", "says"),
    [("echo 'no such flag' >&2; exit 1", "no such flag"), ("exit 0", "No such file"), (None, "no C++ compiler")],
    ids=["fails", "writes nothing", "is missing"],
)
def test_without_a_build_a_line_says_why(
    sources: Sources,
    does: str | None,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    compiler = tmp_path / "c++"
    compiler.write_text(f"#!/bin/sh\n{does}\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", "/nowhere/c++" if does is None else str(compiler))
    with caplog.at_level(logging.INFO, compiled_library.__name__):
        assert sources.library() is None
    assert says in caplog.messages[-1]
    assert caplog.messages[-1].startswith("Sums run without their compiled code")


def test_without_a_library_a_classifier_is_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "library", lambda: None)
    monkeypatch.setattr(feedforward.loss, "library", lambda: None)
    monkeypatch.setattr(feedforward, "library", lambda: None)
    torch.manual_seed(0)
    module, images, labels = Classifier(LeNet()), torch.rand(4, 1, 28, 28), torch.tensor([1, 2, 3, 4])
    loss = module.training_step((images, labels), 0)
    assert torch.equal(loss, nn.functional.cross_entropy(module.net(images), labels))
    assert module.kernels("cpu") == {"linear layers": "PyTorch"}
    assert module.quiet_steps(torch.optim.SGD(module.parameters(), 0.1), {}, None) is None


@needs_compiler
def test_what_computes_a_classifier_is_told() -> None:
    digest = feedforward.library().digest  # type: ignore[union-attr]
    assert Classifier(LeNet()).kernels("cpu") == {"linear layers": f"compiled {digest}"}
    assert Classifier(LeNet(), compiled=False).kernels("cpu") == {"linear layers": "PyTorch"}
    assert Classifier(LeNet()).kernels("cuda") == {}
    assert Classifier(nn.Sequential(nn.Linear(3, 2), nn.Tanh())).kernels("cpu") == {}
    with torch.autocast("cpu", torch.bfloat16):
        assert Classifier(LeNet()).kernels("cpu") == {"linear layers": "PyTorch"}
