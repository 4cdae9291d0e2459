"""Which kernels trained a run directory, and whether others may go on in it."""

import logging
import warnings
from pathlib import Path
from typing import Any

import pytest

from app.common.errors import UserError
from app.runs import config
from app.runs.config import claim, read_config, recorded_kernels
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


def test_the_line_is_this_one(run: RunLayout) -> None:
    with pytest.raises(UserError) as refused:
        claim(run, {"seed_everything": 0}, kernels={**OLDER, "recurrent steps": "PyTorch"})
    assert str(refused.value) == (
        f"{run.root} was begun with other kernels (cpu: AVX512 avx512f -> AVX2; recurrent steps: compiled "
        "0123456789abcdef -> PyTorch); bits of results may differ: go on where it was begun, or add "
        "--allow_other_kernels true"
    )


def test_the_order_of_entries_makes_no_difference(run: RunLayout) -> None:
    claim(run, {"seed_everything": 0}, kernels=dict(reversed(HERE.items())))
    assert recorded(run) == [HERE]


def test_an_entry_that_was_not_recorded_yet_is_recorded_and_compared_from_then_on(run: RunLayout) -> None:
    more, other = {**HERE, "softmax": "blocks"}, {**HERE, "softmax": "PyTorch"}
    claim(run, {"seed_everything": 0}, kernels=more)
    claim(run, {"seed_everything": 0}, kernels=more)
    assert recorded(run) == [HERE, more]
    with pytest.raises(UserError, match=r"\(softmax: blocks -> PyTorch\)"):
        claim(run, {"seed_everything": 0}, kernels=other)
    with pytest.warns(UserWarning, match=r"\(softmax: blocks -> none\)"):
        claim(run, {"seed_everything": 0}, kernels=HERE)  # as the directory was begun
    with pytest.warns(UserWarning, match=r"\(softmax: blocks -> PyTorch\)"):
        claim(run, {"seed_everything": 0, **ALLOWED}, kernels=other)
    with pytest.warns(UserWarning, match=r"\(later, not at first\)"):
        claim(run, {"seed_everything": 0}, kernels=more)
    assert recorded(run) == [HERE, more, other]


def test_another_torch_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, now = RunLayout(tmp_path / "e"), {"torch": "2.11.0", "numpy": "2.0"}
    monkeypatch.setattr(config, "versions", lambda: now)
    claim(run, {"seed_everything": 0}, kernels={"libraries": "torch=2.11.0 oneDNN=3.9"})
    now = {"torch": "2.13.0", "numpy": "2.1"}
    later = {"libraries": "torch=2.13.0 oneDNN=3.9"}
    with pytest.raises(UserError, match=r"\(libraries: torch=2.11.0 -> torch=2.13.0\)"):
        claim(run, {"seed_everything": 0}, kernels=later)
    with pytest.warns(UserWarning, match="was begun with other") as said:
        claim(run, {"seed_everything": 0, **ALLOWED}, kernels=later)
    lines = [str(each.message) for each in said]
    assert ["2.11.0" in line for line in lines] == [True, False]
    assert "numpy: 2.0 -> 2.1" in lines[1]


def says_that_nothing_is_compared(caplog: pytest.LogCaptureFixture, run: RunLayout) -> bool:
    told, expected = caplog.messages, "has no record of the kernels that it was begun with, so they are not compared"
    return told == [f"{run.root} {expected}"]


def test_a_directory_of_before_is_not_checked_and_a_line_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunLayout(tmp_path / "e")
    claim(run, {"seed_everything": 0})
    with caplog.at_level(logging.INFO):
        claim(run, {"seed_everything": 0}, kernels=None)  # nothing is trained
        assert not caplog.messages
        claim(run, {"seed_everything": 0}, kernels=HERE)
    assert says_that_nothing_is_compared(caplog, run)
    assert "kernels" not in read_config(run)
    assert recorded_kernels(run) == []


@pytest.mark.parametrize("edited", ["", "[]", "compiled", "[3]"])
def test_what_was_edited_by_hand_is_left_alone(run: RunLayout, edited: str, caplog: pytest.LogCaptureFixture) -> None:
    text = run.config.read_text()
    run.config.write_text(text[: text.index("kernels:")] + f"kernels: {edited}\nseed_everything: 0\n...\n")
    with caplog.at_level(logging.INFO):
        claim(run, {"seed_everything": 0}, kernels=EAGER)
    assert says_that_nothing_is_compared(caplog, run)


def test_a_directory_that_a_launch_has_made_records_the_first_that_train_in_it(tmp_path: Path) -> None:
    run = RunLayout(tmp_path / "e")
    claim(run, {"experiment": "e"}, trained_elsewhere=True)
    assert read_config(run)["kernels"] == "none yet"
    claim(run, {"experiment": "e"}, kernels={"cpu": "AMX"})
    assert recorded_kernels(run) == [{"cpu": "AMX"}]
    with pytest.raises(UserError, match="was begun with other kernels"):
        claim(run, {"experiment": "e"}, kernels={"cpu": "AVX2"})
