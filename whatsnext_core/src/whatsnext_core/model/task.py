"""A task: a kind of job, with its command, its needs and its policies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from whatsnext_core.errors import InvalidError
from whatsnext_core.model import limits
from whatsnext_core.model.requirement import Requirement
from whatsnext_core.model.retry import RetryPolicy

SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT")


@frozen(kw_only=True)
class TaskSpec:
    """What a person says of a task; a stored Task adds its id, project and times."""

    name: str = field()
    """Name, unique in the project."""
    command_template: str | None = field(default=None)
    """Command with ``{parameter}`` placeholders; None lets the client's formatter decide."""
    requirement: Requirement = field(factory=Requirement)
    """What a client must offer."""
    retry: RetryPolicy = field(factory=RetryPolicy)
    """What happens after a failure."""
    timeout: float | None = field(default=None)
    """Seconds an attempt may run; None sets no limit."""
    signal: str = field(default="SIGTERM")
    """The signal that asks a running job to end, on cancel and timeout."""
    grace: float = field(default=30.0)
    """Seconds between that signal and SIGKILL."""
    environment: Mapping[str, str] = field(factory=dict)
    """Environment variables for the command."""
    options: Mapping[str, Any] = field(factory=dict)
    """Settings for formatters, by the formatter's name: ``{"docker": {"image": "python:3.12"}}``."""

    @name.validator
    def _check_name(self, _: object, value: str) -> None:
        limits.check_name(value, "name of the task")

    @command_template.validator
    def _check_template(self, _: object, value: str | None) -> None:
        if value is not None:
            limits.check_text(value, f"command template of task {self.name!r}")

    @timeout.validator
    def _check_timeout(self, _: object, value: float | None) -> None:
        if value is not None:
            what = f"timeout of task {self.name!r}"
            limits.check_number(value, what, low=0.001, high=limits.MAX_SECONDS, unit="seconds")

    @grace.validator
    def _check_grace(self, _: object, value: float) -> None:
        limits.check_number(value, f"grace of task {self.name!r}", low=0, high=limits.MAX_SECONDS, unit="seconds")

    @signal.validator
    def _check_signal(self, _: object, value: str) -> None:
        if value not in SIGNALS:
            raise InvalidError(f"The signal {value!r} of task {self.name!r} is not one of {', '.join(SIGNALS)}.")

    @environment.validator
    def _check_environment(self, _: object, value: Mapping[str, str]) -> None:
        limits.check_environment(value, f"task {self.name!r}")

    @options.validator
    def _check_options(self, _: object, value: Mapping[str, Any]) -> None:
        limits.dump_parameters(value, f"options of task {self.name!r}")


@frozen(kw_only=True)
class Task(TaskSpec):
    """A stored task."""

    id: int
    """Number of the task, given by the storage, from 1."""
    project_id: int
    """The project that holds it."""
    created_at: datetime
    """When it was created, in UTC."""
    updated_at: datetime
    """When it last changed, in UTC."""
