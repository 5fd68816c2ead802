"""A formatter that runs jobs as local processes which step back for everybody else's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from attrs import field, frozen

from whatsnext_core.formatting import Formatter, JobContext, to_arguments
from whatsnext_core.hookspecs import FormatterPlugin, hookimpl

LOWEST = 19


@frozen(kw_only=True)
class NiceConfig:
    """The settings in ``[plugins.nice]``."""

    adjustment: int = field(default=10, validator=[attrs.validators.ge(0), attrs.validators.le(LOWEST)])
    """How far jobs step back, from 0 for not at all to 19."""


class NiceFormatter(Formatter):
    """Puts ``nice`` before each command, the one of a task's template too.

    A task may ask for another adjustment: its options hold ``{"nice": {"adjustment": 19}}``.
    """

    def __init__(self, config: NiceConfig | None = None) -> None:
        self.adjustment = (config or NiceConfig()).adjustment

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:
        """Return the command of a task without a template: the program of its name, with the parameters as options."""
        return [task, *to_arguments(parameters)]

    def command(self, context: JobContext) -> list[str]:
        """Return the job's command behind ``nice``."""
        options = context.task.options.get("nice", {})
        adjustment = options.get("adjustment", self.adjustment)
        return ["nice", "-n", str(adjustment), *super().command(context)]


@hookimpl
def whatsnext_formatters() -> list[FormatterPlugin]:
    """Return the formatter of this package."""
    summary = "local processes with a low priority"
    return [FormatterPlugin(name="nice", summary=summary, factory=NiceFormatter, config=NiceConfig)]
