"""Which kernels trained a run directory, and whether others may go on in it."""

import warnings
from pathlib import Path
from typing import Any

import pytest

from app.common.errors import UserError
from app.runs.config import claim, read_config
from app.runs.layout import RunLayout

HERE = {"cpu": "AVX512 GenuineIntel avx2 avx512f", "recurrent steps": "compiled 0123456789abcdef"}
EAGER = {**HERE, "recurrent steps": "PyTorch"}
OLDER = {**HERE, "cpu": "AVX2 GenuineIntel avx2"}
ALLOWED = {"allow_other_kernels": True}


@pytest.fixture
def run(tmp_path: Path) -> RunLayout:
    """A directory that was begun with the kernels HERE."""
    layout = RunLayout(tmp_path / "e")
    claim(layout, {"seed_everything": 0}, kernels=HERE)
    return layout


def recorded(run: RunLayout) -> Any:
    return read_config(run)["kernels"]


def test_the_same_kernels_go_on_and_nothing_is_said(run: RunLayout) -> None:
    assert recorded(run) == [HERE]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        claim(run, {"seed_everything": 0}, kernels=HERE)
        claim(run, {"seed_everything": 0}, kernels=None)  # nothing is trained
    assert recorded(run) == [HERE]


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (EAGER, r"\(recurrent steps: compiled 0123456789abcdef -> PyTorch\)"),
        (OLDER, r"\(cpu: AVX512 avx512f -> AVX2\)"),
        ({"cpu": HERE["cpu"]}, r"\(recurrent steps: compiled 0123456789abcdef -> none\)"),
    ],
)
def test_other_kernels_are_refused_until_they_are_allowed(run: RunLayout, now: dict[str, str], says: str) -> None:
    written = run.config.read_bytes()
    with pytest.raises(UserError, match=f"begun with other kernels {says}.*add --allow_other_kernels true$"):
        claim(run, {"seed_everything": 0}, kernels=now)
    assert run.config.read_bytes() == written
    with pytest.warns(UserWarning, match=f"begun with other kernels {says}"):
        claim(run, {"seed_everything": 0, **ALLOWED}, kernels=now)
    assert recorded(run) == [HERE, now]
    # Once allowed, both go on, and each command says so.
    for each in (now, HERE):
        with pytest.warns(UserWarning, match="begun with other kernels"):
            claim(run, {"seed_everything": 0}, kernels=each)
    assert recorded(run) == [HERE, now]


def test_a_directory_of_before_is_not_checked(tmp_path: Path) -> None:
    run = RunLayout(tmp_path / "e")
    claim(run, {"seed_everything": 0})
    claim(run, {"seed_everything": 0}, kernels=HERE)
    assert "kernels" not in read_config(run)


@pytest.mark.parametrize("edited", ["", "[]", "compiled", "[3]"])
def test_what_was_edited_by_hand_is_left_alone(run: RunLayout, edited: str) -> None:
    text = run.config.read_text()
    run.config.write_text(text[: text.index("kernels:")] + f"kernels: {edited}\nseed_everything: 0\n...\n")
    claim(run, {"seed_everything": 0}, kernels=EAGER)
