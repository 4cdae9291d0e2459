"""`--pruning.launch slurm` on a real SLURM, such as one of a single node that `SLURM_CONF` names."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.command import PATH, in_process
from helpers.waiting import wait_until
from helpers.workers import TINY, bits, different

from app.runs.layout import RunLayout
from app.runs.lock import held_by

there = (
    shutil.which("sbatch") is not None and subprocess.run(["sinfo"], capture_output=True, check=False).returncode == 0
)
pytestmark = [pytest.mark.slurm, pytest.mark.skipif(not there, reason="no SLURM answers here")]
ONE = (*TINY, "--pruning.replicates", "1", "--pruning.methods", "[iterative]", "--pruning.random_reinit", "2")
LAUNCH = ("--pruning.launch", "slurm", "--pruning.launch_options.time", "0:30:00")


def queue(*jobs: str) -> str:
    """The states of jobs that wait or run."""
    done = subprocess.run(
        ["squeue", "--me", "-h", "--array", "-o", "%i %T"], capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines() if done.returncode == 0 else [f"{job} UNKNOWN" for job in jobs]
    return "\n".join(line for line in lines if line.split()[0].split("_")[0] in jobs)


@pytest.fixture
def jobs() -> Iterator[list[str]]:
    """Numbers of jobs, which end with the test."""
    submitted: list[str] = []
    yield submitted
    if submitted:
        subprocess.run(["scancel", *submitted], check=False)
        wait_until(lambda: not queue(*submitted))


def launch(cwd: Path, jobs: list[str], *arguments: str) -> str:
    done = in_process(*ONE, *arguments, *LAUNCH, cwd=cwd, SLURM_CONF=os.environ.get("SLURM_CONF", ""), PYTHONPATH=PATH)
    assert (done.returncode, done.stderr) == (0, "")
    jobs += [line.split()[1].rstrip(":").split("_")[0] for line in done.stdout.splitlines() if line.startswith("job")]
    return done.stdout


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    directory = tmp_path_factory.mktemp("alone")
    assert in_process(*ONE, cwd=directory).returncode == 0
    return bits(directory / "runs/tiny")


def found(run: Path) -> dict[str, object]:
    return {name: content for name, content in bits(run).items() if not name.startswith("jobs/")}


def test_jobs_make_what_one_command_makes(tmp_path: Path, jobs: list[str], expected: dict[str, object]) -> None:
    assert "submitted: 7 networks in 3 jobs" in launch(tmp_path, jobs)
    assert len(jobs) == 2
    wait_until(lambda: not queue(*jobs))
    assert launch(tmp_path, jobs) == "nothing to submit: all networks are finished\n"
    assert not different(expected, found(tmp_path / "runs/tiny"))


@pytest.mark.slow
def test_one_that_is_told_to_save_is_queued_again_and_goes_on(tmp_path: Path, jobs: list[str]) -> None:
    """SLURM lets a job that is queued again wait for two minutes."""
    long = ("--trainer.max_steps", "4000", "--pruning.rounds", "1", "--pruning.random_reinit", "0")
    launch(tmp_path, jobs, *long)
    run, (job,) = RunLayout(tmp_path / "runs/tiny"), jobs
    wait_until(lambda: any(path.exists() and held_by(path.with_name(".lock")) for path in run.root.rglob("last.ckpt")))
    assert subprocess.run(["scancel", "--signal=USR1", job], check=False).returncode == 0
    wait_until(lambda: "PENDING" in queue(job))
    assert "not submitted again: 2 networks" in launch(tmp_path, jobs, *long)
    wait_until(lambda: not queue(job))
    (log,) = run.jobs.glob("*.out")
    assert f"SLURM runs job {job} again; the same command goes on from here" in log.read_text()
    alone = in_process(*ONE, *long, "--runs", "alone", cwd=tmp_path)
    assert alone.returncode == 0
    assert not different(bits(tmp_path / "alone/tiny"), found(run.root))
