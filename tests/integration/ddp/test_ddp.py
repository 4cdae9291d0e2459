"""Two processes share a lottery and get what one gets."""

from pathlib import Path

import pytest
from helpers.command import SMALL, app, in_process, needs_digits

from app.runs.layout import NetworkKey, RunLayout
from app.runs.table import read_metrics, read_results
from app.runs.tensors import load_tensors

pytestmark = needs_digits

LOTTERY = (
    *("lottery", *SMALL, "--trainer.max_steps", "50", "--trainer.val_check_interval", "25"),
    *("--trainer.precision", "64-true", "--trainer.callbacks", "helpers.rank_witness.RankWitness"),
)


def test_two_processes_are_one_up_to_rounding(tmp_path: Path) -> None:
    several = ("--trainer.strategy", "ddp", "--trainer.devices", "2")
    for experiment, command, options in (("one", in_process, ()), ("two", app, several)):
        (tmp_path / experiment).mkdir()
        witness = str(tmp_path / experiment)
        ran = command(*LOTTERY, *options, "--experiment", experiment, cwd=tmp_path, WITNESS=witness)
        assert ran.returncode == 0, ran.stderr

    ranks = [(tmp_path / f"two/rank_{rank}").read_text() for rank in (0, 1)]
    assert ranks[0] == ranks[1], "masks or weights differ between the ranks"
    assert [line.split()[:2] for line in ranks[0].splitlines()] == [["2", "0"], ["2", "1"], ["2", "1"]]

    one, two = RunLayout(tmp_path / "runs/one"), RunLayout(tmp_path / "runs/two")
    keys = [NetworkKey(0, "dense", 0), NetworkKey(0, "iterative", 1), NetworkKey(0, "random_reinit", 1, of="iterative")]
    for key in keys:
        masks = load_tensors(one.network(key).mask), load_tensors(two.network(key).mask)
        weights = load_tensors(one.network(key).final), load_tensors(two.network(key).final)
        assert all(masks[0][name].equal(masks[1][name]) for name in masks[0])
        assert max(float((weights[0][name] - weights[1][name]).abs().max()) for name in weights[0]) < 1e-9
        for a, b in zip(read_metrics(one.network(key).metrics), read_metrics(two.network(key).metrics), strict=True):
            for name in ("iteration", "val_accuracy", "test_accuracy"):
                assert a[name] == b[name]
            for name in ("val_loss", "test_loss", *(("train_loss", "train_accuracy") if a["iteration"] else ())):
                assert a[name] == pytest.approx(b[name], abs=1e-9)
    results = read_results(one.results), read_results(two.results)
    assert [row.value("final_train_accuracy") for row in results[0]] == [
        row.value("final_train_accuracy") for row in results[1]
    ]
