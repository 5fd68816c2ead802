"""What a task may ask of a formatter in particular."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

import attrs

from whatsnext_core.converters import from_json
from whatsnext_core.errors import InvalidError, TemplateError
from whatsnext_core.formatting.contract import JobContext

T = TypeVar("T", bound=attrs.AttrsInstance)


def task_options(
    settings: T, context: JobContext, name: str, *, fixed: Collection[str] = (), merged: Collection[str] = ()
) -> T:
    """Return the settings of a formatter for one job: those of its task's ``options`` before the ones given. Pure.

    A task says what it wants of the formatter ``slurm`` by ``{"slurm": {"partition": "gpu"}}``.

    Args:
        settings: An object of the formatter's class of settings.
        context: The job.
        name: The formatter's name, under which a task has its options.
        fixed: Settings that are one for all jobs of a worker, and that no task may change.
        merged: Settings that are objects, to whose fields a task's are added.

    Raises:
        TemplateError: the task's options are unknown or malformed, or would change what is fixed.
    """
    what = f"The options for {name} of task {context.task.name!r}"
    given = context.task.options.get(name, {})
    if not isinstance(given, Mapping):
        raise TemplateError(f"{what} are {given!r}, and no object.")
    if common := given.keys() & set(fixed):
        raise TemplateError(f"{what} set {min(common)!r}, which is one for all jobs of a worker; set it there.")
    chosen = {**attrs.asdict(settings), **given}
    for key in merged:
        if isinstance(given.get(key), Mapping):
            chosen[key] = {**getattr(settings, key), **given[key]}
    try:
        return from_json(chosen, type(settings), what=what)
    except InvalidError as error:
        raise TemplateError(str(error)) from error
