"""Two processes share the pairs of every batch, of an odd number too, and get what one process gets."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.language import Rows, trainer
from helpers.ports import free_port
from helpers.tiny import Probe
from lightning.pytorch import Trainer
from lightning.pytorch.cli import ReduceLROnPlateau
from test_inference import NAMES, classifier, tiny_data

from app.modules import InferenceClassifier
from callbacks import BatchShares, MetricsRecorder

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

TESTS = Path(__file__).parents[1]
MIDDLE = 5  # an iteration within the second epoch


def learn(folder: Path, start: Path | None = None, **arguments: Any) -> dict[str, Any]:
    """Train and test, without dropout; writes the checkpoint of iteration `MIDDLE` to the folder."""

    def save(run: Trainer, module: InferenceClassifier) -> None:
        if run.global_step == MIDDLE and start is None:
            run.save_checkpoint(folder / "middle.ckpt")

    rows = Rows()
    model = classifier(
        dropout=0.0, lr_scheduler=lambda optimizer: ReduceLROnPlateau(optimizer, "val_accuracy", mode="max", patience=0)
    )
    run = trainer(
        [BatchShares(), MetricsRecorder(rows, NAMES), Probe(on_train_batch_end=save)], max_epochs=4, **arguments
    )
    run.fit(model, tiny_data(draws=420, batch_size=39), ckpt_path=start)
    weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
    (tested,) = run.test(model, tiny_data(draws=420), verbose=False)
    return {"weights": weights, "rows": list(rows), "tested": tested}


# Forked behind the imports, which take longer than all the rest.
SCRIPT = """
import os, sys, warnings
from pathlib import Path

import torch
from test_inference_ranks import learn

warnings.simplefilter("ignore")
torch.set_num_threads(1)
other = os.fork()
os.environ["LOCAL_RANK"] = "0" if other else "1"
folder, start = map(Path, sys.argv[1:])
two = {"devices": 2, "strategy": "ddp"}
found = learn(folder, **two), learn(folder, start, **two)
if other:
    torch.save(found, folder / "found.pt")
    sys.exit(os.waitpid(other, 0)[1])
"""


def assert_near(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name, value in one["weights"].items():
        torch.testing.assert_close(value, other["weights"][name], rtol=0, atol=1e-12)
    assert len(one["rows"]) == len(other["rows"]) > 0
    for row, right in zip([*one["rows"], one["tested"]], [*other["rows"], other["tested"]], strict=True):
        assert row == pytest.approx(right, rel=1e-9, nan_ok=True)


def test_two_processes_are_one_up_to_rounding(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (two / "script.py").write_text(SCRIPT)
    whole = learn(one)
    rest = learn(one, one / "middle.ckpt")

    path = os.pathsep.join(map(str, (TESTS.parent, TESTS, TESTS / "modules")))
    shared = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port())}
    ran = subprocess.run(
        [sys.executable, "script.py", str(two), str(one / "middle.ckpt")],
        cwd=two,
        env=shared,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    both_whole, both_rest = torch.load(two / "found.pt", weights_only=True)
    assert_near(both_whole, whole)
    assert_near(rest, whole | {"rows": whole["rows"][-len(rest["rows"]) :]})
    # Resumed by two processes from the checkpoint of one, and the other way round.
    assert_near(both_rest, rest)
    assert_near(learn(one, two / "middle.ckpt"), rest)
