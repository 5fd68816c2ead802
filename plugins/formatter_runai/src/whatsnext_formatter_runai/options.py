"""What is asked of Run:ai for a job, and how that is written as options of ``runai submit``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import attrs
from attrs import evolve, field, frozen

from whatsnext_core.errors import TemplateError
from whatsnext_core.formatting import JobContext, task_options

MEBIBYTE: Final = 2**20
OF_THE_WORKER: Final = frozenset({"project", "poll_interval", "start_patience", "follow_logs"})
"""Settings that are one for all jobs of a worker."""


@frozen(kw_only=True)
class RUNAIOptions:
    """What a job gets: the settings in ``[plugins.runai]``, from which a task's options for ``runai`` may differ."""

    project: str = ""
    """Project that the jobs belong to; empty for the one that ``runai config project`` has set."""
    image: str = ""
    """Image of the container; a task without one of its own needs it."""
    gpu: float = field(default=1, validator=attrs.validators.ge(0))
    """GPUs; a fraction below 1 shares one."""
    cpu: float = field(default=1, validator=attrs.validators.gt(0))
    """CPUs."""
    memory: str = "4Gi"
    """Memory: 512Mi, 4Gi."""
    working_dir: str | None = None
    """Working directory in the container; None for the image's own."""
    environment: Mapping[str, str] = field(factory=dict)
    """Variables for every job; those of its task, and its parameters, come first."""
    extra: tuple[str, ...] = ()
    """Further options of ``runai submit``, each as one argument (``--large-shm``)."""
    start_patience: float = field(default=300.0, validator=attrs.validators.ge(0))
    """Seconds that an image may be impossible to pull before the job counts as refused."""
    follow_logs: bool = True
    """Whether output is read while a job runs, by one ``runai logs`` for each; otherwise it is read at its end."""
    poll_interval: float = field(default=5.0, validator=attrs.validators.gt(0))
    """Seconds between two questions to Run:ai."""

    def arguments(self, environment: Mapping[str, str]) -> list[str]:
        """Return the options of ``runai submit``; the server decides about retries, so Run:ai makes none."""
        arguments = [*self.in_project(), "-i", self.image, "-g", f"{self.gpu:g}"]
        arguments += ["--cpu", f"{self.cpu:g}", "--memory", self.memory, "--backoff-limit", "0"]
        if self.working_dir is not None:
            arguments += ["--working-dir", self.working_dir]
        for name, value in environment.items():
            arguments += ["-e", f"{name}={value}"]
        return [*arguments, *self.extra]

    def in_project(self) -> list[str]:
        """Return the option that names the project."""
        return ["-p", self.project] if self.project else []

    def for_job(self, context: JobContext) -> RUNAIOptions:
        """Return what a job gets: what its task requires before these defaults, and its task's own options before both.

        Raises:
            TemplateError: the options that the task has for ``runai`` are unknown or malformed, or no image is named.
        """
        options = task_options(evolve(self, **_required(context)), context, "runai", fixed=OF_THE_WORKER)
        if not options.image:
            raise TemplateError(
                f"No image is named for task {context.task.name!r}; set 'image' in [plugins.runai], or in the task's "
                f'options: {{"runai": {{"image": "python:3.12"}}}}.'
            )
        return options


def _required(context: JobContext) -> dict[str, Any]:
    needs = context.task.requirement
    found: dict[str, Any] = {}
    if needs.cpu > 1:
        found["cpu"] = needs.cpu
    if memory := context.allocation.memory or needs.memory:
        found["memory"] = f"{math.ceil(memory / MEBIBYTE)}Mi"
    if needs.accelerators:
        found["gpu"] = needs.accelerators
    return found
