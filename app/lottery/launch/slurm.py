"""The commands of SLURM that a launch needs: sbatch and squeue."""

import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from app.common.errors import UserError
from app.common.printing import one_line
from app.lottery.launch_options import LaunchOptions

OURS = (
    "--job-name",
    "--array",
    "--output",
    "--open-mode",
    "--requeue",
    "--signal",
    "--dependency",
    "--parsable",
    "--wrap",
)


def script(
    name: str,
    options: LaunchOptions,
    command: Sequence[str],
    parts: Sequence[str],
    *,
    output: Path,
    after: Iterable[str] = (),
    nodes: int = 1,
    tasks_per_node: int = 1,
    cpus: int = 1,
) -> str:
    """The batch script of a job, or of an array of jobs where there are several parts.

    Args:
        name: of the job.
        options: what it asks for.
        command: that each job runs, but for its last argument.
        parts: the last argument of the command, for each job.
        output: directory of what jobs print.
        after: jobs that must have succeeded before.
        nodes: of each job.
        tasks_per_node: processes of each job on each node.
        cpus: cores of each process.

    Raises:
        UserError: `more` has an option that is set here.
    """
    if ours := [each for each in options.more if each.split("=")[0] in OURS]:
        raise UserError(f"pruning.launch_options.more has {ours[0]}, which the launch sets itself; leave it out")
    several = len(parts) > 1
    wanted = {
        "job-name": name,
        "array": f"0-{len(parts) - 1}" if several else None,
        "output": f'"{output / ("%x-%A_%a.out" if several else "%x-%j.out")}"',  # the path may have spaces
        "open-mode": "append",  # or a job that runs again would begin a new file
        "requeue": "",
        "signal": f"USR1@{options.grace_seconds}",
        "dependency": "afterok:" + ":".join(after) if after else None,
        "kill-on-invalid-dep": "yes" if after else None,
        "nodes": nodes,
        "ntasks-per-node": tasks_per_node,
        "cpus-per-task": cpus,
        "gpus-per-node": options.gpus,
        "partition": options.partition,
        "time": options.time,
        "mem": options.memory,
        "account": options.account,
        "qos": options.qos,
        "constraint": options.constraint,
    }
    lines = ["#!/bin/bash"]
    lines += [
        f"#SBATCH --{key}" + (f"={value}" if value != "" else "") for key, value in wanted.items() if value is not None
    ]
    lines += [f"#SBATCH {each}" for each in options.more]
    lines += [*options.setup, "parts=(", *(f"  {shlex.quote(part)}" for part in parts), ")"]
    # Newer versions of srun do not take over the cores of the job.
    run = f"srun --cpus-per-task={cpus} {shlex.join(command)}"
    lines.append(f'exec {run} "${{parts[{"SLURM_ARRAY_TASK_ID" if several else "0"}]}}"')
    return "\n".join(lines) + "\n"


def submit(path: Path) -> str:
    """Submit a batch script; return the number of its job.

    Raises:
        UserError: SLURM refuses it, or is not there.
    """
    return _run("sbatch", "--parsable", str(path)).partition(";")[0].strip()


def living() -> Mapping[str, str]:
    """The jobs of this user that wait or run, such as "12" or, of an array, "12_3"; with their states.

    Raises:
        UserError: SLURM does not answer, or is not there.
    """
    lines = _run("squeue", "--me", "--noheader", "--array", "--format=%i %T").splitlines()
    return {job: state for job, _, state in (line.strip().partition(" ") for line in lines) if job}


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(f"{command[0]}: {error.strerror}; --pruning.launch slurm is for a machine with SLURM") from None
    if done.returncode:
        raise UserError(f"{command[0]}: {one_line(done.stderr) or f'exit code {done.returncode}'}")
    return done.stdout
