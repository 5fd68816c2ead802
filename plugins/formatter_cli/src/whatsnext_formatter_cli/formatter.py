"""The formatter for programs of the machine that a worker runs on."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from whatsnext_core.converters import from_json
from whatsnext_core.errors import InvalidError, TemplateError
from whatsnext_core.formatting import Formatter, Invocation, JobContext, to_arguments


@frozen(kw_only=True)
class CLIOptions:
    """The settings in ``[plugins.cli]``, from which a task's options for ``cli`` may differ."""

    executable: str = "python"
    """The program: looked for on the PATH, or a path, seen from the working directory."""
    script: str | None = None
    """Its first argument, for an interpreter; None for a program that needs none."""
    working_dir: str | None = None
    """Where commands run; None for the worker's own working directory."""


class CLIFormatter(Formatter):
    """Runs each job as a local process: ``python train.py --lr 0.01``.

    The parameters follow as ``--name value`` in their order; ``whatsnext_core.formatting.arguments`` says what each
    kind of value looks like. A task with a command template of its own runs that instead, in the same working
    directory. A task may differ in its options for ``cli``: ``{"cli": {"script": "evaluate.py"}}``.

    Args:
        executable: The program: looked for on the PATH, or a path, seen from the working directory.
        script: Its first argument, for an interpreter; None for a program that needs none.
        working_dir: Where commands run; None for the worker's own working directory.
    """

    def __init__(
        self,
        executable: str = "python",
        script: str | Path | None = None,
        working_dir: str | Path | None = None,
    ) -> None:
        self.executable = executable
        self.script = script
        self.working_dir = working_dir

    @classmethod
    def from_config(cls, config: CLIOptions | None) -> CLIFormatter:
        """Return the formatter with the settings of ``[plugins.cli]``."""
        return cls(**asdict(config or CLIOptions()))

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:  # noqa: ARG002 - the same for every task
        """Return the program, its script, and the parameters as arguments."""
        script = [] if self.script is None else [str(self.script)]
        return [self.executable, *script, *to_arguments(parameters)]

    def prepare(self, context: JobContext) -> Invocation:
        """Return how the job is run, with the options that its task has for ``cli``.

        Raises:
            TemplateError: the options are unknown or malformed, or no command can be made of template and parameters.
        """
        given = context.task.options.get("cli", {})
        if not given:
            return super().prepare(context)
        what = f"The options for cli of task {context.task.name!r}"
        if not isinstance(given, Mapping):
            raise TemplateError(f"{what} are {given!r}, and no object.")
        own = {"executable": self.executable, "script": self.script, "working_dir": self.working_dir}
        plain = {key: None if value is None else str(value) for key, value in own.items()}
        try:
            options = from_json({**plain, **given}, CLIOptions, what=what)
        except InvalidError as error:
            raise TemplateError(str(error)) from error
        chosen = copy.copy(self)
        chosen.executable, chosen.script, chosen.working_dir = options.executable, options.script, options.working_dir
        return super(CLIFormatter, chosen).prepare(context)
