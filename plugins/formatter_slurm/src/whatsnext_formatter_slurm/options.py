"""What is asked of Slurm for a job, and how that is written as options of sbatch."""

from __future__ import annotations

import math
from typing import Any, Final

import attrs
from attrs import evolve, field, frozen

from whatsnext_core.formatting import JobContext, task_options

CLUSTERS_CHOICE: Final = "default"
"""The partition that is left to the cluster, which has a default one."""
MEBIBYTE: Final = 2**20
OF_THE_WORKER: Final = frozenset({"poll_interval"})
"""Settings that are one for all jobs of a worker."""
LONGEST_NAME: Final = 128
"""Characters of a job's name that Slurm is given."""


@frozen(kw_only=True)
class SlurmOptions:
    """What a job gets: the settings in ``[plugins.slurm]``, from which a task's options for ``slurm`` may differ."""

    partition: str = CLUSTERS_CHOICE
    """Partition; ``default`` leaves it to the cluster."""
    time: str = "01:00:00"
    """Time limit, as Slurm writes it: minutes, or ``days-hours:minutes:seconds``."""
    nodes: int = field(default=1, validator=attrs.validators.ge(1))
    """Nodes."""
    ntasks: int = field(default=1, validator=attrs.validators.ge(1))
    """Tasks, for commands that start them by ``srun``."""
    cpus_per_task: int = field(default=1, validator=attrs.validators.ge(1))
    """CPUs of each task."""
    mem: str = "4G"
    """Memory of each node, with K, M, G or T."""
    gpus: int | str | None = None
    """GPUs, as a number or with their type (``a100:2``); None for no GPU."""
    script_template: str | None = None
    """Shell text that runs the command of a task without a template; ``{name}`` is filled, quoted, with a parameter."""
    account: str | None = None
    """Account to charge; None for the user's default one."""
    qos: str | None = None
    """Quality of service; None for the default one."""
    constraint: str | None = None
    """Features that the nodes must have."""
    extra: tuple[str, ...] = ()
    """Further options of sbatch, each as one argument (``--exclusive``)."""
    poll_interval: float = field(default=5.0, validator=attrs.validators.gt(0))
    """Seconds between two questions to the controller, as long as no job has written its exit code."""
    max_submitted: int | None = field(default=None, validator=attrs.validators.optional(attrs.validators.ge(1)))
    """Jobs of a worker that are at Slurm at once, at most; further ones wait in the worker. None for no limit."""

    def arguments(self, name: str) -> list[str]:
        """Return the options of sbatch for a job of this name."""
        chosen = {
            "job-name": name[:LONGEST_NAME],
            "partition": self.partition,
            "time": self.time,
            "nodes": self.nodes,
            "ntasks": self.ntasks,
            "cpus-per-task": self.cpus_per_task,
            "mem": self.mem,
            "gpus": self.gpus,
            "account": self.account,
            "qos": self.qos,
            "constraint": self.constraint,
        }
        return [*(f"--{option}={value}" for option, value in chosen.items() if value is not None), *self.extra]

    def for_job(self, context: JobContext) -> SlurmOptions:
        """Return what a job gets: what its task requires before these defaults, and its task's own options before both.

        Raises:
            TemplateError: the options that the task has for ``slurm`` are unknown or malformed.
        """
        return task_options(evolve(self, **self._required(context)), context, "slurm", fixed=OF_THE_WORKER)

    def _required(self, context: JobContext) -> dict[str, Any]:
        needs, task = context.task.requirement, context.task
        found: dict[str, Any] = {}
        if needs.cpu > 1:
            found["cpus_per_task"] = math.ceil(needs.cpu / self.ntasks)
        if memory := context.allocation.memory or needs.memory:
            found["mem"] = f"{math.ceil(memory / self.nodes / MEBIBYTE)}M"
        if needs.accelerators:
            kind = self.gpus.rpartition(":")[0] if isinstance(self.gpus, str) else ""
            count = math.ceil(needs.accelerators)
            found["gpus"] = f"{kind}:{count}" if kind else count
        if timeout := context.job.timeout or task.timeout:
            found["time"] = str(math.ceil((timeout + task.grace) / 60) + 1)
        return found
