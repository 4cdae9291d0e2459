"""The process that has a lock, as the lock's file names it."""

import os
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime

_LINE = re.compile(
    r"(?P<process>\d{1,10})(?: (?P<host>[\w.-]+)"
    r"(?: (?P<since>[\d:TZ-]{20}) (?P<job>[\w-]+)\.(?P<restarts>\d{1,6}))?)?\s*"
)
_NO_JOB = "-"


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that a lock file names.

    Args:
        process: its number; 0 if the file names nobody.
        host: the machine that it runs on; empty if the file does not say.
        since: when it took the lock, such as "2026-11-27T18:05:12Z"; empty if the file does not say.
        job: the job of SLURM that it belongs to, such as "71" or "71_3"; empty if there is none.
        restarts: how often SLURM had run this job again by then.
    """

    process: int = 0
    host: str = ""
    since: str = ""
    job: str = ""
    restarts: int = 0

    @classmethod
    def this(cls) -> "Owner":
        """This process, now."""
        variables = os.environ
        job = variables.get("SLURM_ARRAY_JOB_ID", "")
        job = f"{job}_{variables.get('SLURM_ARRAY_TASK_ID', '')}" if job else variables.get("SLURM_JOB_ID", "")
        job = job if re.fullmatch(r"[\w-]+", job) else ""
        restarts = variables.get("SLURM_RESTART_COUNT", "")
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        count = int(restarts[:6]) if restarts.isascii() and restarts.isdecimal() else 0
        return cls(os.getpid(), socket.gethostname(), now, job, count)

    @classmethod
    def parse(cls, text: str) -> "Owner":
        """The owner that a lock file names; one without a process if it names nobody."""
        match = _LINE.fullmatch(text)
        if match is None:
            return cls()
        job = "" if match["job"] in (None, _NO_JOB) else match["job"]
        restarts = int(match["restarts"] or 0)
        return cls(int(match["process"]), match["host"] or "", match["since"] or "", job, restarts)

    @property
    def line(self) -> str:
        """What is written into the lock file."""
        return f"{self.process} {self.host} {self.since} {self.job or _NO_JOB}.{self.restarts}\n"

    def __str__(self) -> str:
        if not self.process:
            return "another process"
        job = f" (job {self.job})" if self.job else ""
        return f"process {self.process}" + (f" on {self.host}" if self.host else "") + job

    @property
    def since_when(self) -> str:
        """When it took the lock, as the end of a sentence, such as " since 2026-11-27 18:05:12 UTC"."""
        return f" since {self.since.replace('T', ' ').replace('Z', ' UTC')}" if self.since else ""

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs on another machine, of which nothing is known."""
        return self.host not in ("", socket.gethostname())

    @property
    def is_over(self) -> bool:
        """Whether it is known to have ended: it was of this machine, or of an earlier run of this job of SLURM.

        On Windows, where asking for a process would end it, and for processes on other machines that is never known.
        """
        mine = Owner.this()
        if self.job and self.job == mine.job and self.restarts < mine.restarts:
            return True
        if not self.process or self.is_elsewhere or os.name == "nt":
            return False
        try:
            os.kill(self.process, 0)
        except (ProcessLookupError, OverflowError):
            return True
        except OSError:
            return False
        return False
