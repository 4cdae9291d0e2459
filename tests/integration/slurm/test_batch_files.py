"""The batch files in configs/slurm/: what they ask SLURM for, what they run, and that SLURM runs it."""

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.command import REPOSITORY, SETTINGS
from helpers.configs import parse
from helpers.needs import needs_slurm
from helpers.waiting import wait_until
from helpers.workers import TINY

from app.runs.table import read_metrics, read_results

FILES = sorted((REPOSITORY / "configs/slurm").glob("*.sbatch"))
OPTION = re.compile(r"#SBATCH --([a-z-]+)(=\S+)?")
FIT = (*TINY[1 : TINY.index("--pruning.rounds")], "--trainer.logger", "false")


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def options(file: Path) -> dict[str, str]:
    """What a file asks SLURM for."""
    asked = [line for line in lines(file) if line.startswith("#SBATCH")]
    found = [OPTION.fullmatch(line) for line in asked]
    assert all(found), asked
    return {match[1]: (match[2] or "").removeprefix("=") for match in found if match}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_jobs_are_queued_again_in_time(file: Path) -> None:
    asked = options(file)
    assert "requeue" in asked
    assert asked["open-mode"] == "append"
    signal, _, seconds = asked["signal"].partition("@")
    assert signal == "USR1", "not to the batch script, as with B:"
    assert int(seconds) >= 90, "more than a minute of saving"
    assert ("array" in asked) == ("%A_%a" in asked["output"])
    # SLURM reads no option behind the first command.
    commands = [number for number, line in enumerate(lines(file)) if line and not line.startswith("#")]
    assert commands[0] > max(number for number, line in enumerate(lines(file)) if line.startswith("#SBATCH"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_command_in_the_first_comment_parses(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run by bash, with an srun that writes down what it is to start."""
    example = shlex.split(lines(file)[1].removeprefix("# "))
    assert example[:2] == ["sbatch", f"configs/slurm/{file.name}"]
    (tmp_path / "srun").write_text('#!/bin/bash\nprintf "%s\\0" "$@" > "$ASKED"\n')
    (tmp_path / "srun").chmod(0o755)
    asked = tmp_path / "asked"
    variables = {"SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "3", "SLURM_ARRAY_TASK_ID": "1", "ASKED": str(asked)}
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["bash", "-eu", str(file), *example[2:]], env={**variables, "PATH": path}, check=True)
    words = asked.read_text().split("\0")[:-1]
    program = words[words.index("python") :]
    assert program[:3] == ["python", "-m", "app"]
    # No GPU is needed to read a command line.
    arguments = [{"gpu": "cpu"}.get(word, word) for word in program[3:]]
    with pytest.raises(SystemExit) as ended:
        parse(*arguments, "--print_config", monkeypatch=monkeypatch)
    assert not ended.value.code
    printed = capsys.readouterr().out
    if file.stem == "train":
        assert "num_nodes: 2" in printed
        assert re.search(r"devices: '?3\b", printed)
    if file.stem == "lottery":
        assert re.search(r"only:\n +replicates: '?1\b", printed)
    if file.stem == "seeds":
        assert "seed_everything: 1" in printed


def submit(file: Path, *arguments: str, cwd: Path, **asked: str) -> str:
    """Submit a file with other options of sbatch; the number of the job."""
    (cwd / "bin").mkdir(exist_ok=True)
    python = cwd / "bin/python"
    python.unlink(missing_ok=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    environment = {**os.environ, **SETTINGS, "OMP_NUM_THREADS": "1", "PATH": f"{cwd}/bin:{os.environ['PATH']}"}
    given = [f"--{name.replace('_', '-')}={value}" for name, value in asked.items()]
    done = subprocess.run(
        ["sbatch", "--parsable", *given, str(file), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def wait_for(job: str) -> None:
    """Wait until a job, or all of an array, has ended."""

    def ended() -> bool:
        time.sleep(1)  # every look is a question to SLURM
        left = subprocess.run(["squeue", "-h", "-j", job], capture_output=True, text=True, check=False)
        return left.returncode == 0 and not left.stdout.strip()

    wait_until(ended)


@needs_slurm
def test_one_training_in_two_processes(tmp_path: Path) -> None:
    job = submit(FILES[[each.stem for each in FILES].index("train")], *FIT, cwd=tmp_path, gres="none")
    report = tmp_path / "runs/tiny/seed_0/report.json"
    wait_for(job)
    output = (tmp_path / f"train-{job}.out").read_text()
    assert report.exists(), output
    assert [row["iteration"] for row in read_metrics(report.with_name("metrics.csv"))] == [10, 20, 30, 40]


@needs_slurm
def test_an_array_of_seeds(tmp_path: Path) -> None:
    seeds = FILES[[each.stem for each in FILES].index("seeds")]
    job = submit(seeds, *FIT, cwd=tmp_path, array="3-4")
    reports = [tmp_path / f"runs/tiny/seed_{seed}/report.json" for seed in (3, 4)]
    wait_for(job)
    assert all(report.exists() for report in reports), [path.read_text() for path in tmp_path.glob("*.out")]


@needs_slurm
def test_an_array_of_replicates(tmp_path: Path) -> None:
    """Both jobs write into one run directory."""
    lottery = FILES[[each.stem for each in FILES].index("lottery")]
    options = ("--pruning.rounds", "1", "--pruning.methods", "[iterative]", "--pruning.random_reinit", "0")
    job = submit(lottery, *TINY[1:], *options, "--trainer.logger", "false", cwd=tmp_path, array="0-1")
    wait_for(job)
    rows = read_results(tmp_path / "runs/tiny/results.csv")
    found = [(row.key.replicate, row.key.method, row.key.round) for row in rows]
    assert found == [(replicate, *each) for replicate in (0, 1) for each in (("dense", 0), ("iterative", 1))]
