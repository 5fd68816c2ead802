"""The settings of the formatter, and what a task may set for itself."""

from __future__ import annotations

import sys

from attrs import field, frozen

from whatsnext_core.errors import ConfigurationError, TemplateError


def _positive(_: object, attribute: object, value: float) -> None:
    if value < 0:
        name = getattr(attribute, "name", "a setting")
        raise ConfigurationError(f"{name} of the formatter 'python' is {value}; it must be 0 or more.")


def check_function(name: str, whose: str) -> str:
    """Return the name of a function, ``package.module:function``.

    Raises:
        TemplateError: it is none.
    """
    module, colon, path = name.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), *path.split("."))):
        raise TemplateError(
            f"{whose} is {name!r}, which names no Python function; write it as 'package.module:function', as the "
            f"task's name or as 'function' among its options for python."
        )
    return name


@frozen(kw_only=True)
class TaskOptions:
    """What a task may set in its options for ``python``."""

    function: str | None = None
    """The function, ``package.module:function``; None takes the task's name for it."""
    python: str = sys.executable
    """The interpreter: looked for on the PATH, or a path. WhatsNext need not be installed for it."""
    working_dir: str | None = None
    """Where calls run, and where modules are looked for first; None for the worker's own working directory."""


@frozen(kw_only=True)
class PythonOptions(TaskOptions):
    """The settings in ``[plugins.python]``; a task may differ in the first three by its options for ``python``."""

    max_jobs: int = field(default=1000, validator=_positive)
    """Jobs after which a process is replaced by a fresh one."""
    max_growth: int = field(default=512 * 2**20, validator=_positive)
    """Bytes by which a process may grow beyond its size after its first job before it is replaced."""
    idle_seconds: float = field(default=300.0, validator=_positive)
    """Seconds without a job after which a process ends."""
    max_idle: int = field(default=8, validator=_positive)
    """Processes that wait for jobs, at most; those that waited longest are ended first."""
