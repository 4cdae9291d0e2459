"""A lottery that a signal stops is saved, says so, and goes on to the bits that it would have had; under SLURM too."""

import signal
from pathlib import Path

import pytest
from helpers.command import in_process
from helpers.workers import TINY, bits, different

ONE = (*TINY, "--pruning.replicates", "1", "--pruning.methods", "[iterative]", "--pruning.rounds", "1")
ONE += ("--pruning.random_reinit", "0", "--checkpoint_seconds", "1000")
TROUBLE = (
    *("--trainer.callbacks", "helpers.tiny_trouble.Trouble", "--trainer.callbacks.send", "**/iterative/round_01"),
)
SLURM = {
    **{"SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "tickets", "SLURM_NTASKS": "1", "SLURM_NTASKS_PER_NODE": "1"},
    **{"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"},
}
BY_SLURM = 128 + signal.SIGUSR1


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    directory = tmp_path_factory.mktemp("whole")
    done = in_process(*ONE, cwd=directory)
    assert done.returncode == 0, done.stderr
    return bits(directory / "runs/tiny")


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        ("SIGINT", 130, "stopped; the same command goes on from here"),
        ("SIGTERM", 143, "terminated; the same command goes on from here"),
        ("SIGUSR1", BY_SLURM, "stopped by SIGUSR1; SLURM runs job 77 again; the same command goes on from here"),
    ],
)
def test_it_is_saved_and_goes_on(
    number: str,
    code: int,
    says: str,
    expected: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/scontrol").write_text(f"#!/bin/sh\nls {tmp_path}/runs/tiny/replicate_0/iterative/round_01\n")
    (tmp_path / "bin/scontrol").chmod(0o755)
    slurm = {**SLURM, "PATH": f"{tmp_path}/bin:/usr/bin:/bin"} if number == "SIGUSR1" else {}
    command = (*ONE, *TROUBLE, "--trainer.callbacks.number", number)
    stopped = in_process(*command, cwd=tmp_path, **slurm)
    assert stopped.returncode == code, stopped.stderr
    assert stopped.stderr.splitlines()[-1] == says
    run = tmp_path / "runs/tiny"
    assert [path.parent.name for path in run.rglob("last.ckpt")] == ["round_01"]
    # Of an earlier version, in which Lightning saved where it was.
    (run / "replicate_0/iterative/round_01/hpc_ckpt_1.ckpt").write_bytes(b"other bits")
    again = in_process(*command, cwd=tmp_path, **slurm)
    assert (again.returncode, again.stderr) == (0, "")
    (run / "replicate_0/iterative/round_01/hpc_ckpt_1.ckpt").unlink()
    # The run's checksums.json has that of config.yaml, where the callback is named.
    assert different(expected, bits(run)) == ["checksums.json"]
    assert not list(run.rglob("hpc_ckpt*"))


def test_a_checkpoint_of_lightnings_own_is_not_begun_with(expected: dict[str, object], tmp_path: Path) -> None:
    """Where a network has no checkpoint of ours yet."""
    run = tmp_path / "runs/tiny"
    done = in_process(*ONE, "--pruning.rounds", "0", cwd=tmp_path, **SLURM)
    assert done.returncode == 0, done.stderr
    (run / "replicate_0/iterative/round_01").mkdir(parents=True)
    (run / "replicate_0/iterative/round_01/hpc_ckpt_1.ckpt").write_bytes(b"other bits")
    done = in_process(*ONE, cwd=tmp_path, **SLURM)
    assert done.returncode == 0, done.stderr
    (run / "replicate_0/iterative/round_01/hpc_ckpt_1.ckpt").unlink()
    assert not different(expected, bits(run))
