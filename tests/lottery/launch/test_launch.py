"""`--pruning.launch slurm` against a fake SLURM, whose jobs are run by hand."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from helpers.command import in_process
from helpers.workers import TINY, bits, different

from app.lottery.launch.record import read_jobs
from app.runs.layout import RunLayout

LAUNCH = ("--pruning.launch", "slurm", "--pruning.launch_options")
ASKED = (
    '{partition: long, time: "2:00:00", gpus: "a100:1", memory: 4G, more: ["--mail-type=END"], setup: [module load x]}'
)
ONE = (*TINY, "--pruning.replicates", "1", "--pruning.methods", "[iterative]", "--pruning.random_reinit", "2")

# Keeps the scripts that it is given, and tells of the jobs in the file `alive` that they wait.
SBATCH = """#!/bin/sh
[ -e refuse ] && { echo "sbatch: error: Invalid partition" >&2; exit 1; }
number=$(ls submitted 2>/dev/null | wc -l)
number=$((number + 40))
mkdir -p submitted
cp "$2" submitted/$number.sh
case "$(cat "$2")" in *--array=*) last=$(sed -n 's/.*--array=0-//p' "$2")
  for task in $(seq 0 $last); do echo "${number}_$task PENDING" >> alive; done ;;
*) echo "$number PENDING" >> alive ;; esac
echo "$number;cluster"
"""


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """The environment in which it is found."""
    (tmp_path / "bin").mkdir()
    for name, text in {"sbatch": SBATCH, "squeue": "#!/bin/sh\ntouch alive; cat alive\n"}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}


def directives(script: Path) -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in script.read_text().splitlines() if line.startswith("#SBATCH")]


def parts(script: Path) -> list[str]:
    """The arguments of the command for each job of the script, as bash makes them."""
    text = script.read_text().replace("exec srun --cpus-per-task=1 ", "printf '%s\\n' ")
    count = text.count("'{")
    found = []
    for task in range(count):
        done = subprocess.run(
            ["bash", "-c", text.replace("module load x", ":")],
            env={"SLURM_ARRAY_TASK_ID": str(task)},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(done.stdout.splitlines())
    return found  # type: ignore[return-value]


def test_a_whole_experiment_is_submitted_once_and_its_jobs_train_it(tmp_path: Path, slurm: dict[str, str]) -> None:
    done = in_process(*ONE, *LAUNCH, ASKED, cwd=tmp_path, **slurm)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "job 40: tiny-r0-iterative, 3 networks",
        "jobs 41_0 to 41_1: tiny-r0-random_reinit, 4 networks, after 40",
        "submitted: 7 networks in 3 jobs",
    ]
    run = RunLayout(tmp_path / "runs/tiny")
    chain, controls = (tmp_path / f"submitted/{number}.sh" for number in (40, 41))
    shared = ["--open-mode=append", "--requeue", "--signal=USR1@120"]
    asked = ["--nodes=1", "--ntasks-per-node=1", "--cpus-per-task=1", "--gpus-per-node=a100:1", "--partition=long"]
    asked += ["--time=2:00:00", "--mem=4G", "--mail-type=END"]
    assert directives(chain) == [
        *("--job-name=tiny-r0-iterative", '--output="runs/tiny/jobs/%x-%j.out"', *shared, *asked),
    ]
    assert directives(controls) == [
        *("--job-name=tiny-r0-random_reinit", "--array=0-1", '--output="runs/tiny/jobs/%x-%A_%a.out"', *shared),
        *("--dependency=afterok:40", "--kill-on-invalid-dep=yes", *asked),
    ]
    assert "\nmodule load x\n" in chain.read_text()
    assert not list(run.root.glob("replicate_*")), "nothing is trained or drawn here"

    again = in_process(*ONE, *LAUNCH, ASKED, cwd=tmp_path, **slurm)
    assert again.stdout.splitlines() == ["not submitted again: 7 networks in 40, 41_0, 41_1, which wait or run"]

    # The second control's job is lost; all others run, as the ordinary command.
    (first,), (second, _) = parts(chain), parts(controls)
    for arguments in (first, second):
        assert arguments[1:4] == ["-m", "app", "lottery"]
        trained = in_process(*arguments[3:], cwd=tmp_path)
        assert (trained.returncode, trained.stderr) == (0, "")
    (tmp_path / "alive").write_text("99 RUNNING\n")
    third = in_process(*ONE, *LAUNCH, ASKED, cwd=tmp_path, **slurm)
    assert third.stdout.splitlines() == [
        "job 42: tiny-r0-random_reinit, 2 networks",
        "submitted: 2 networks in 1 job",
    ]
    assert "--dependency" not in (tmp_path / "submitted/42.sh").read_text()
    assert read_jobs(run.jobs / "jobs.json") == {
        "42": [f"replicate_0/iterative/round_0{round}/random_reinit_1" for round in (1, 2)]
    }
    (last,) = parts(tmp_path / "submitted/42.sh")
    assert in_process(*last[3:], cwd=tmp_path).returncode == 0
    over = in_process(*ONE, *LAUNCH, ASKED, cwd=tmp_path, **slurm)
    assert over.stdout.splitlines() == ["nothing to submit: all networks are finished"]

    whole = in_process(*ONE, "--runs", "whole", cwd=tmp_path)
    assert whole.returncode == 0
    found = {name: content for name, content in bits(run.root).items() if not name.startswith("jobs/")}
    assert not different(bits(tmp_path / "whole/tiny"), found)


def test_the_configuration_of_jobs_is_that_of_the_command_and_not_of_this_machine(
    tmp_path: Path, slurm: dict[str, str]
) -> None:
    """Where there is no GPU; and a change of the user's file does not change it."""
    (tmp_path / "mine.yaml").write_text("trainer:\n  accelerator: gpu\n  precision: 16-mixed\n")
    arguments = [each for each in ONE if each not in ("--trainer.accelerator", "cpu")]
    done = in_process(*arguments, "--config", "mine.yaml", *LAUNCH, "{}", cwd=tmp_path, **slurm)
    assert (done.returncode, done.stderr) == (0, "")
    (file,) = (tmp_path / "runs/tiny/jobs").glob("*.yaml")
    config = yaml.safe_load(file.read_text())
    assert (config["trainer"]["accelerator"], config["trainer"]["precision"]) == ("gpu", "16-mixed")
    assert not {"only", "launch", "launch_options"} & config["pruning"].keys()
    assert str(file.relative_to(tmp_path)) in (tmp_path / "submitted/40.sh").read_text()


@pytest.mark.parametrize(
    ("arguments", "prepare", "says"),
    [
        ((), "refuse", "error: sbatch: sbatch: error: Invalid partition"),
        (
            ("--pruning.launch_options.more", "[--array=0-3]"),
            "",
            "error: pruning.launch_options.more has --array=0-3, which",
        ),
        (
            ("--pruning.launch_options.nodes", "2"),
            "",
            "error: pruning.launch_options.nodes is 2 and trainer.num_nodes is 1",
        ),
        (("--pruning.stack", "4"), "", "error: pruning.launch has a job for each chain of rounds, and pruning.stack"),
        (("--pruning.only.methods", "random_reinit"), "", "error: replicate 0, random_reinit 0, round 1 is made from"),
    ],
)
def test_what_cannot_be_submitted(
    arguments: tuple[str, ...], prepare: str, says: str, tmp_path: Path, slurm: dict[str, str]
) -> None:
    if prepare:
        (tmp_path / prepare).touch()
    done = in_process(*ONE, "--pruning.launch", "slurm", *arguments, cwd=tmp_path, **slurm)
    assert done.returncode == 2
    assert done.stderr.startswith(says)
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "submitted").exists()


def test_without_slurm(tmp_path: Path) -> None:
    done = in_process(*ONE, "--pruning.launch", "slurm", cwd=tmp_path, PATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == (
        "error: squeue: No such file or directory; --pruning.launch slurm is for a machine with SLURM\n"
    )


def test_a_damaged_record_is_named(tmp_path: Path, slurm: dict[str, str]) -> None:
    jobs = tmp_path / "runs/tiny/jobs"
    assert in_process(*ONE, *LAUNCH, "{}", cwd=tmp_path, **slurm).returncode == 0
    (jobs / "jobs.json").write_text("[1]")
    done = in_process(*ONE, *LAUNCH, "{}", cwd=tmp_path, **slurm)
    assert done.returncode == 2
    assert re.match(r"error: runs/tiny/jobs/jobs\.json: not a table of jobs", done.stderr)
