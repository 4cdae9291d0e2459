"""`--pruning.sparse`: the same tickets up to rounding, the same bits after an interruption, densities that stay."""

import json
import signal
from pathlib import Path

import pytest
import torch
import yaml
from helpers.command import in_process, start
from helpers.waiting import wait_until
from helpers.workers import TINY, bits, different

from app.common import processor
from app.lottery import sparse as option
from app.nets import break_even
from app.nets.sparse import build
from app.runs.tensors import load_tensors

ONE = (*TINY, "--pruning.replicates", "1", "--pruning.methods", "[iterative]", "--pruning.rounds", "2")
ONE += ("--pruning.random_reinit", "0", "--trainer.logger", "false")
SPARSE = (*ONE, "--pruning.sparse", "{linear: 0.9}")
LIMITS = {"linear": 0.9, "conv": 0.2, "recurrent": 0.3}
needs_compiler = pytest.mark.skipif(build.library() is None, reason="no C++ compiler")


@pytest.fixture(scope="module")
def sparse_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lottery whose rounds 1 and 2 are sparse: layers keep up to 81 % of their weights."""
    directory = tmp_path_factory.mktemp("sparse")
    done = in_process(*SPARSE, cwd=directory)
    assert (done.returncode, done.stderr) == (0, "")
    return directory / "runs/tiny"


@needs_compiler
def test_tickets_are_the_same_up_to_rounding(sparse_run: Path, tmp_path: Path) -> None:
    assert in_process(*ONE, cwd=tmp_path).returncode == 0
    dense_run = tmp_path / "runs/tiny"
    for network in ("round_00", "iterative/round_01", "iterative/round_02"):
        ours, theirs = sparse_run / "replicate_0" / network, dense_run / "replicate_0" / network
        kernels = json.loads((ours / "report.json").read_text())["kernels"]
        assert ("sparse layers" in kernels) == (network != "round_00")
        masks, expected_masks = (load_tensors(run / "mask.safetensors") for run in (ours, theirs))
        weights, expected = (load_tensors(run / "final.safetensors") for run in (ours, theirs))
        for name, mask in masks.items():
            assert mask.equal(expected_masks[name])
        for name, value in weights.items():
            # A bias before a norm has a gradient of rounding errors alone, from which Adam makes steps of full length.
            if name not in ("net.fc.bias", "net.norm.running_mean"):
                assert torch.allclose(value, expected[name], atol=1e-4), name


@needs_compiler
def test_an_interrupted_run_ends_with_the_same_bits(sparse_run: Path, tmp_path: Path) -> None:
    trouble = ("--trainer.callbacks", "helpers.tiny_trouble.Trouble", "--trainer.callbacks.send", "**/round_02")
    stopped = in_process(*SPARSE, *trouble, cwd=tmp_path)
    assert stopped.returncode == 143, stopped.stderr
    assert (tmp_path / "runs/tiny/replicate_0/iterative/round_02/last.ckpt").exists()
    again = in_process(*SPARSE, *trouble, cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    assert different(bits(sparse_run), bits(tmp_path / "runs/tiny")) == ["checksums.json"]


@needs_compiler
def test_a_killed_run_ends_with_the_same_bits(sparse_run: Path, tmp_path: Path) -> None:
    process, sparse_round = start(*SPARSE, cwd=tmp_path), tmp_path / "runs/tiny/replicate_0/iterative/round_01"
    wait_until((sparse_round / "last.ckpt").exists, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (sparse_round / "last.ckpt").exists(), "the round was over before the kill, so this has tested nothing"
    assert not (sparse_round / "DONE").exists()
    again = in_process(*SPARSE, cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    assert different(bits(sparse_run), bits(tmp_path / "runs/tiny")) == []


def test_the_densities_are_part_of_the_run(sparse_run: Path) -> None:
    assert yaml.safe_load((sparse_run / "config.yaml").read_text())["pruning"]["sparse"] == {"linear": 0.9}
    where = sparse_run.parents[1]
    for other in (("--pruning.sparse", "{linear: 0.5}"), ("--pruning.sparse", "null")):
        refused = in_process(*ONE, *other, cwd=where)
        assert refused.returncode == 2
        assert "was made by a different configuration (pruning.sparse" in refused.stderr
    # The densities that the directory has, whatever this machine would measure now.
    assert in_process(*ONE, "--pruning.sparse", "auto", cwd=where).returncode == 0


def test_auto_measures_where_there_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(option, "measured_limits", lambda: LIMITS)
    done = in_process(*ONE, "--pruning.rounds", "1", "--pruning.sparse", "auto", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load((tmp_path / "runs/tiny/config.yaml").read_text())
    assert config["pruning"]["sparse"] == LIMITS
    assert "sparse layers" in config["kernels"][0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--pruning.sparse", "{fc: 0.2}"], "pruning.sparse has fc; the kinds of layers that can be sparse are linear"),
        (["--pruning.sparse", "{conv: 20}"], "pruning.sparse.conv is 20.0; expected a density from 0 to 1"),
        (
            ["--pruning.sparse", "auto", "--trainer.precision", "bf16-mixed"],
            "the precision is bf16-mixed; leave it out",
        ),
        (["--pruning.sparse", "auto", "--pruning.stack", "2"], "trained at once (pruning.stack); leave it out"),
    ],
)
def test_what_it_is_not_for(arguments: list[str], says: str, tmp_path: Path) -> None:
    refused = in_process(*ONE, *arguments, cwd=tmp_path)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_layers_that_other_compiled_code_trains_stay_dense(tmp_path: Path) -> None:
    from app.modules import Classifier
    from app.nets import LeNet

    for compiled in (True, False):
        model = Classifier(LeNet(), compiled=compiled)
        masks = {"net.fc1.weight": torch.zeros(300, 784, dtype=torch.bool)}
        with option.sparse_training(model, masks, {"linear": 1.0}):
            dense = type(model.net.fc1) is torch.nn.Linear
            assert dense == (compiled and build.library() is not None)
        assert type(model.net.fc1) is torch.nn.Linear


def test_break_even() -> None:
    assert break_even.break_even(lambda density: 0.3 / density) == 0.25
    assert break_even.break_even(lambda density: 0.01 / density) == 0.0
    assert break_even.break_even(lambda density: 2.0) == break_even.DENSITIES[-1]


@needs_compiler
def test_densities_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(break_even, "cache", lambda: tmp_path)
    monkeypatch.setattr(break_even, "ROUNDS", 1)
    monkeypatch.setattr(break_even, "DENSITIES", (0.05,))
    state = torch.get_rng_state()
    found = break_even.measured_limits()
    assert found.keys() == LIMITS.keys()
    assert torch.equal(torch.get_rng_state(), state)
    monkeypatch.setattr(break_even, "LAYERS", dict.fromkeys(LIMITS))
    assert break_even.measured_limits() == found
    (path,) = tmp_path.iterdir()
    kept = json.loads(path.read_text())
    assert (kept["processor"], kept["threads"]) == (processor.processor_name(), torch.get_num_threads())
    path.write_text(json.dumps(kept | {"densities": {"linear": 0.125, "conv": 0, "recurrent": 1}}))
    assert break_even.measured_limits() == {"linear": 0.125, "conv": 0.0, "recurrent": 1.0}


@needs_compiler
def test_densities_are_measured_anew_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another processor, with other threads, and where a file is damaged or of another place."""
    monkeypatch.setattr(break_even, "cache", lambda: tmp_path)
    monkeypatch.setattr(break_even, "LAYERS", dict.fromkeys(LIMITS, lambda: ()))
    raced: list[float] = []
    monkeypatch.setattr(break_even, "_race", lambda: lambda density: raced.append(density) or 0.0)

    def measured() -> bool:
        before = len(raced)
        assert break_even.measured_limits() == dict.fromkeys(LIMITS, 0.0)
        return len(raced) > before

    assert measured()
    assert not measured()
    monkeypatch.setattr(break_even, "processor_name", lambda: "another")
    assert measured()
    assert not measured()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    assert measured()
    assert len(list(tmp_path.iterdir())) == 3
    for path in tmp_path.iterdir():
        path.write_text(path.read_text().replace("another", "a third"))
    assert measured()
    for path in tmp_path.iterdir():
        path.write_text(path.read_text()[:-9])
    assert measured()
