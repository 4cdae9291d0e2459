"""A lottery whose machine loses power at any instant goes on to the bits that it would have had.

TREES_TICKETS_KILLS sets at how many instants, spread over all (3 unless said otherwise).
"""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.power import Disk
from helpers.tiny_lottery import everything, lottery

KILLS = int(os.environ.get("TREES_TICKETS_KILLS", "3"))
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning"),
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the paths of open files: Linux"),
]
SETTINGS: dict[str, dict[str, Any]] = {
    "from iteration 0": {"rounds": 1, "keep": ("final", "best", "start")},
    "late rewinding": {"rounds": 1, "rewind_to": "4it", "resume_schedule": True},
}


def draw(root: Path, **settings: Any) -> None:
    experiment = lottery(root, **settings)
    object.__setattr__(experiment.train, "checkpoint_seconds", 0.0)  # saves after every iteration
    experiment.run()


@pytest.mark.parametrize("kind", SETTINGS)
def test_what_was_on_the_disk_is_enough(kind: str, tmp_path: Path) -> None:
    settings, left, run = SETTINGS[kind], [], tmp_path / "e"
    run.mkdir()

    def lose(step: int) -> None:
        left.append(tmp_path / f"left_{step}")
        disk.leave(left[-1])

    disk = Disk(run, tmp_path / "spare", lose)
    with disk.recording():
        draw(run, **settings)
    expected = everything(run)
    assert disk.steps > 100

    for step in range(0, len(left), max(1, len(left) // KILLS)):
        shutil.rmtree(run)
        left[step].rename(run)
        draw(run, **settings)
        found = everything(run)
        different = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        assert not different, f"after a loss of power at step {step + 1} of {disk.steps}"
