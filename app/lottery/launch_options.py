"""The options `--pruning.launch_options`: what each job asks the scheduler for."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class LaunchOptions:
    """What each job asks SLURM for; what is left out is the cluster's default.

    Args:
        partition: where jobs run.
        time: the most time of a job, as SLURM writes it, such as "4:00:00"; a job that needs more is run again.
        gpus: GPUs of each node of a job, a number or a kind and a number, such as a100:1; none where it is left out.
        nodes: nodes of a job; as many as trainer.num_nodes where it is left out.
        cpus: cores of each process.
        memory: of each node, such as 16G.
        account: that is charged.
        qos: quality of service.
        constraint: features that nodes must have.
        grace_seconds: how long before its end a job is told to save and to queue again.
        more: further options of sbatch, such as --mail-type=END.
        setup: lines of shell before the command, such as module load cuda.
    """

    partition: str | None = None
    time: str | None = None
    gpus: int | str | None = None
    nodes: int | None = None
    cpus: int | None = None
    memory: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    grace_seconds: int = 120
    more: list[str] = field(default_factory=list)
    setup: list[str] = field(default_factory=list)
