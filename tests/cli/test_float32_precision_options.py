"""--matmul_precision and --conv_precision of a command: what is recorded, and what is told."""

from pathlib import Path

import pytest
from helpers.command import in_process
from helpers.tiny_text import write_tiny_text

from app.nets.fused.build import library
from app.runs.config import read_config
from app.runs.layout import FitLayout

FIT = ("fit", "--config", "tiny.yaml", "--trainer.max_epochs", "1")
RUN = "runs/tiny/seed_3"


def pretend(monkeypatch: pytest.MonkeyPatch, products: str) -> None:
    """That this is what a processor computes products in."""
    found = {"float32 products": products, "float32 convolutions": "float32"}
    for module in ("float32_precision", "used_kernels"):
        monkeypatch.setattr(f"app.common.{module}.measured", lambda device: found)


def test_it_is_recorded_and_another_one_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_text(tmp_path)
    pretend(monkeypatch, "bfloat16")
    done = in_process(*FIT, "--matmul_precision", "medium", cwd=tmp_path)
    told = "warning: --matmul_precision medium has no effect on recurrent steps: compiled code computes in float32\n"
    assert (done.returncode, done.stderr) == (0, "" if library() is None else told)
    config = read_config(FitLayout(tmp_path / RUN))
    assert config["matmul_precision"] == "medium"
    assert config["kernels"][0]["float32 products"] == "bfloat16"
    done = in_process(*FIT, cwd=tmp_path)
    assert done.returncode == 2
    assert "made by a different configuration (matmul_precision: medium -> highest)" in done.stderr
    # The same name on a processor that computes something else.
    pretend(monkeypatch, "TF32")
    longer = ("--matmul_precision", "medium", "--trainer.max_epochs", "2")
    done = in_process(*FIT, *longer, cwd=tmp_path)
    assert done.returncode == 2
    assert "was begun with other kernels (float32 products: bfloat16 -> TF32)" in done.stderr


@pytest.mark.parametrize("command", [FIT, (*FIT, "--experiment", "null", "--trainer.fast_dev_run", "true")])
def test_without_effect_it_is_one_line(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_text(tmp_path)
    pretend(monkeypatch, "float32")
    done = in_process(*command, "--matmul_precision", "medium", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == (
        "warning: --matmul_precision medium has no effect on this processor with this torch: float32 products stay in "
        "float32, as with highest\n"
    )


def test_a_wrong_name_is_one_line(tmp_path: Path) -> None:
    write_tiny_text(tmp_path)
    done = in_process(*FIT, "--conv_precision", "bf16x3", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "bf16x3" in done.stderr
