"""Several processes for a Trainer of one: each would write into the same run directory."""

import os
from pathlib import Path
from typing import Any

import pytest
from helpers.command import in_process
from helpers.workers import TINY

from app.cli.main import in_one_process
from app.common.ranks import started_together

SRUN = {
    **{"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2"},
    **{"SLURM_STEP_NUM_TASKS": "2", "SLURM_NNODES": "1", "SLURM_NODELIST": "localhost", "SLURM_LOCALID": "0"},
}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "RANK": "0"}
LAUNCHED = {
    "srun": SRUN | {"SLURM_PROCID": "0", "SLURM_NODEID": "0"},
    "the second task of srun": SRUN | {"SLURM_PROCID": "1", "SLURM_NODEID": "0"},
    "torchrun": TORCHRUN,
    "mpirun": {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"},
}


@pytest.mark.parametrize(("command", "name"), [("fit", "srun"), *(("lottery", name) for name in LAUNCHED)])
def test_two_processes_without_ddp_are_refused_before_anything_is_written(
    tmp_path: Path, name: str, command: str
) -> None:
    options = TINY[1:] if command == "lottery" else TINY[1 : TINY.index("--pruning.rounds")]
    done = in_process(command, *options, cwd=tmp_path, **LAUNCHED[name])
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: 2 processes were started for a Trainer of one")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_tasks_that_do_not_fit_the_trainer_are_one_line(tmp_path: Path) -> None:
    environment = {**SRUN, "SLURM_PROCID": "0", "SLURM_NODEID": "0"}
    del environment["SLURM_NTASKS_PER_NODE"]
    done = in_process(*TINY, cwd=tmp_path, **environment)
    assert done.returncode == 2, done.stderr
    assert "ntasks-per-node=2" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_machine_that_has_srun_is_not_advised_to_use_it(tmp_path: Path) -> None:
    """Lightning would, for every Trainer of one process."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/srun").write_text("#!/bin/sh\n")
    (tmp_path / "bin/srun").chmod(0o755)
    done = in_process(*TINY, "--pruning.rounds", "0", cwd=tmp_path, PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("environment", "processes"),
    [
        ({}, 1),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, 1),  # a batch script without srun
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}, 1),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "3"}, 4),
        ({"WORLD_SIZE": "2"}, 1),  # Lightning's own, in a script that trains twice
        ({"SLURM_STEP_NUM_TASKS": "x"}, 1),
        *((variables, 2) for variables in LAUNCHED.values()),
    ],
)
def test_how_many_were_started(environment: dict[str, str], processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert started_together() == processes


@pytest.mark.parametrize(
    ("trainer", "alone"),
    [
        ({"devices": "auto", "num_nodes": 1, "strategy": "auto"}, True),
        ({"devices": [1], "num_nodes": 1, "strategy": "auto"}, True),
        ({"devices": "2", "num_nodes": 1, "strategy": "auto"}, False),
        ({"devices": 2, "num_nodes": 1, "strategy": "ddp"}, False),
        ({"devices": 1, "num_nodes": 2, "strategy": "ddp"}, False),
    ],
)
def test_a_study_of_networks_of_several_processes_is_one_process(trainer: dict[str, Any], alone: bool) -> None:
    config = {"seed_everything": 1, "trainer": {"max_steps": 3, **trainer}}
    one = {"devices": 1, "num_nodes": 1, "strategy": "auto"}
    assert in_one_process(config) == {"seed_everything": 1, "trainer": {"max_steps": 3, **(trainer if alone else one)}}
