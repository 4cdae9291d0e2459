"""Submit what is missing of an experiment."""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from app.common.errors import UserError
from app.common.files import write_atomically
from app.lottery.experiment import Experiment
from app.lottery.kept_files import finished_keys
from app.lottery.launch.record import read_jobs, write_jobs
from app.lottery.launch.slurm import living, script, submit
from app.lottery.launch.tasks import Submission, Task, submissions
from app.runs.layout import NetworkKey, RunDirectory
from app.runs.lock import locked


def launch(experiment: Experiment) -> list[str]:
    """Submit the networks of a command that are not finished and that no job is to train yet.

    Args:
        experiment: whose directory describes it already.

    Returns:
        What was submitted, as lines to print.

    Raises:
        UserError: SLURM refuses a job; those before it are submitted.
    """
    settings, layout = experiment.settings, experiment.layout
    _check(experiment)
    with locked(RunDirectory(layout.jobs)):
        path, before = layout.jobs / "jobs.json", read_jobs(layout.jobs / "jobs.json")
        jobs = {job: before[job] for job in living() if job in before}
        job_of = {network: job for job, networks in jobs.items() for network in networks}
        finished = set(finished_keys(settings, layout))
        missing = [key for key in settings.selected() if key not in finished]
        queued = {key: job_of[key.path] for key in settings.networks() if key.path in job_of and key not in finished}
        new = submissions(layout.name, settings, [key for key in missing if key not in queued], queued, finished)
        options, resources = settings.launch_options, _resources(experiment)
        command = [sys.executable, "-m", "app", "lottery", "--config", str(_write_config(experiment)), "--pruning.only"]
        number_of: dict[Task, str] = {}
        lines = []
        for submission in new:
            after = [*submission.after_jobs, *sorted({number_of[task] for task in submission.after}, key=_numbers)]
            parts = [json.dumps(task.only) for task in submission.tasks]
            file = layout.jobs / f"{submission.name}.sh"
            text = script(submission.name, options, command, parts, output=layout.jobs, after=after, **resources)
            write_atomically(file, text)
            job = submit(file)
            several = len(submission.tasks) > 1
            for number, task in enumerate(submission.tasks):
                number_of[task] = f"{job}_{number}" if several else job
                jobs[number_of[task]] = [key.path for key in task.keys]
            write_jobs(path, jobs)
            lines.append(_line(job, submission, after))
    waiting = [key for key in missing if key in queued]
    return [*lines, *_summary(new, missing, waiting, sorted({queued[key] for key in waiting}, key=_numbers))]


def _check(experiment: Experiment) -> None:
    settings, arguments = experiment.settings, experiment.config["trainer"]
    if settings.stack > 1:
        raise UserError(
            "pruning.launch has a job for each chain of rounds, and pruning.stack trains all at once by one process; "
            "use sbatch with the command itself, or leave pruning.stack out"
        )
    if settings.launch_options.nodes not in (None, arguments.get("num_nodes") or 1):
        raise UserError(
            f"pruning.launch_options.nodes is {settings.launch_options.nodes} and trainer.num_nodes is "
            f"{arguments.get('num_nodes') or 1}; each network is trained on trainer.num_nodes"
        )


def _resources(experiment: Experiment) -> dict[str, int]:
    """What the configuration of the Trainer needs of a job."""
    arguments, options = experiment.config["trainer"], experiment.settings.launch_options
    devices, gpus = arguments.get("devices"), str(options.gpus or 1).rpartition(":")[2]
    if isinstance(devices, list):
        count = len(devices)
    else:
        count = int(devices) if str(devices).isdecimal() else int(gpus) if gpus.isdecimal() else 1
    cpus = options.cpus or experiment.threads * experiment.settings.workers
    return {"nodes": arguments.get("num_nodes") or 1, "tasks_per_node": count, "cpus": cpus}


def _write_config(experiment: Experiment) -> Path:
    """The configuration of the jobs, which a later change of the user's own file does not change."""
    config: Mapping[str, Any] = {name: value for name, value in experiment.config.items() if name != "config"}
    text = "# python -m app lottery --config FILE --pruning.only PART\n" + yaml.safe_dump(config, sort_keys=False)
    path = experiment.layout.jobs / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.yaml"
    if not path.exists():
        write_atomically(path, text)
    return path


def _line(job: str, submission: Submission, after: list[str]) -> str:
    tasks = submission.tasks
    count = sum(len(task.keys) for task in tasks)
    jobs = f"jobs {job}_0 to {job}_{len(tasks) - 1}" if len(tasks) > 1 else f"job {job}"
    waits = f", after {', '.join(after)}" if after else ""
    return f"{jobs}: {submission.name}, {_networks(count)}{waits}"


def _summary(new: list[Submission], missing: list[NetworkKey], waiting: list[NetworkKey], jobs: list[str]) -> list[str]:
    lines = []
    if waiting:
        lines.append(f"not submitted again: {_networks(len(waiting))} in {', '.join(jobs)}, which wait or run")
    if not missing:
        lines.append("nothing to submit: all networks are finished")
    elif new:
        count = sum(len(submission.tasks) for submission in new)
        lines.append(
            f"submitted: {_networks(len(missing) - len(waiting))} in {count} {'job' if count == 1 else 'jobs'}"
        )
    return lines


def _networks(count: int) -> str:
    return f"{count:,} network{'' if count == 1 else 's'}"


def _numbers(job: str) -> list[int]:
    return [int(number) for number in job.split("_") if number.isdecimal()]
