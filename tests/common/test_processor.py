"""What processor this is."""

from pathlib import Path

import pytest
import torch

from app.common import processor


def pretend(text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(processor, "cpuinfo", processor.cpuinfo.__wrapped__)
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)


def test_the_instructions_that_arithmetic_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    intel = "processor : 0\nvendor_id : GenuineIntel\nflags : fpu sse avx2 amx_bf16 smep fma bmi1\n"
    pretend(f"{intel}\n{intel.replace('avx2', 'other')}", tmp_path, monkeypatch)
    level = torch.backends.cpu.get_cpu_capability()
    assert processor.instruction_set() == f"{level} GenuineIntel amx_bf16 avx2 fma"
    assert "sse" in processor.flags()


def test_what_limits_the_libraries_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As oneDNN computes without AMX then, though the processor has it."""
    pretend("processor : 0\nvendor_id : GenuineIntel\nflags : avx2 amx_bf16\n", tmp_path, monkeypatch)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    whole = processor.instruction_set()
    assert whole == "AVX2 GenuineIntel amx_bf16 avx2"
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    monkeypatch.setenv("MKL_CBWR", "")
    assert processor.instruction_set() == f"{whole} ONEDNN_MAX_CPU_ISA=AVX512_CORE"


def test_an_arm_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend("processor : 0\nFeatures : fp asimd bf16 i8mm sve\n", tmp_path, monkeypatch)
    assert processor.instruction_set().endswith(" asimd bf16 i8mm sve")


def test_a_system_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(None, tmp_path, monkeypatch)
    assert processor.flags() == []
    assert processor.instruction_set()
