"""Processes that share a training have the same kernels, or it is refused."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from app.common.errors import UserError
from callbacks import SameKernels

HERE = {"cpu": "AVX512 amx_bf16", "libraries": "torch=2.13.0"}
THERE = {"cpu": "AVX512", "libraries": "torch=2.13.0"}
TOLD = r"process 2 has other kernels than process 0 \(cpu: amx_bf16 -> nothing\)"


def start(monkeypatch: pytest.MonkeyPatch, everywhere: list[dict[str, str]], *, allowed: bool) -> None:
    def gather(found: list[Any], mine: dict[str, str]) -> None:
        assert mine == everywhere[0]
        found[:] = everywhere

    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    trainer: Any = SimpleNamespace(world_size=len(everywhere), is_global_zero=True)
    SameKernels(everywhere[0], allowed=allowed).on_fit_start(trainer, torch.nn.Module())  # type: ignore[arg-type]


def test_the_same_everywhere_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    start(monkeypatch, [HERE, dict(HERE)], allowed=False)


def test_others_are_refused_until_they_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=f"^{TOLD}: choose machines of one kind, or add --allow_other_kernels true$"):
        start(monkeypatch, [HERE, HERE, THERE], allowed=False)
    with pytest.warns(UserWarning, match=f"^{TOLD}; bits of results may differ$"):
        start(monkeypatch, [HERE, HERE, THERE], allowed=True)
