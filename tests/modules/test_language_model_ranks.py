"""Two processes share the columns of a text and get what one process gets."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.language import Rows, TinyTrees, language_model, on_lstm, trainer
from helpers.metrics import LANGUAGE_NAMES
from helpers.ports import free_port
from helpers.tiny import Probe
from lightning.pytorch import Trainer

from app.modules import LanguageModel
from callbacks import NTASGD, MetricsRecorder, ParseLogging

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

NAMES = [*LANGUAGE_NAMES, "val_perplexity_optimal", "uf1_layer_1", "uf1_layer_2"]
TESTS = Path(__file__).parents[1]
MIDDLE = 10  # within the last of four epochs of three windows; averaging begins after iteration 8


def learn(folder: Path, start: Path | None = None, **arguments: Any) -> dict[str, Any]:
    """Train and test; writes the checkpoint of iteration `MIDDLE` to the folder.

    Dropped are words and weights only: the other masks have a column for every sequence, and each process its own.
    """

    def save(run: Trainer, module: LanguageModel) -> None:
        if run.global_step == MIDDLE and start is None:
            run.save_checkpoint(folder / "middle.ckpt")

    dropouts = {"dropout_input": 0.0, "dropout_output": 0.0}
    model, rows = language_model(on_lstm(weight_dropout=0.4), **dropouts), Rows()
    seed = Probe(on_train_batch_start=lambda run, module: torch.manual_seed(run.global_step))
    averaging = NTASGD(nonmono=1)
    callbacks = [seed, averaging, ParseLogging(every=2), MetricsRecorder(rows, NAMES)]
    callbacks.append(Probe(on_train_batch_end=save))
    run = trainer(callbacks, **{"max_epochs": 4, "val_check_interval": 2} | arguments)
    data = TinyTrees(batch_size=4, val_batch_size=6, bptt=5)
    run.fit(model, data, ckpt_path=start)
    weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
    (tested,) = run.test(model, data, verbose=False)
    return {"weights": weights, "rows": list(rows), "tested": tested, "averaged since": averaging.triggered_at}


# Forked behind the imports, which take longer than all the rest.
SCRIPT = """
import os, sys, warnings
from pathlib import Path

import torch
from test_language_model_ranks import learn

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


def assert_near(one: Any, other: Any) -> None:
    for name, value in one["weights"].items():
        torch.testing.assert_close(value, other["weights"][name], rtol=0, atol=1e-12)
    assert one["averaged since"] == other["averaged since"]
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
    assert whole["averaged since"] == rest["averaged since"] == 8

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
    # Resumed by two processes from the checkpoint of one, and the other way round.
    assert_near(both_rest, rest)
    assert_near(learn(one, two / "middle.ckpt"), rest)

    saved = [torch.load(folder / "middle.ckpt", weights_only=True) for folder in (one, two)]
    for state, other in zip(saved[0]["state"], saved[1]["state"], strict=True):
        assert [tuple(part.shape) for part in state] == [(4, 6), (4, 4)]
        torch.testing.assert_close(state, other, rtol=0, atol=1e-12)
    torch.testing.assert_close(saved[0]["train_sums"], saved[1]["train_sums"], rtol=1e-12, atol=0)
