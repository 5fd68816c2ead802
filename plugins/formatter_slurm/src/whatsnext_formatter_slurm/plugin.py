"""The plugin module that the `formatter-slurm` entry point names."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from whatsnext_core.hookspecs import FormatterPlugin, hookimpl
from whatsnext_formatter_slurm.formatter import SlurmFormatter
from whatsnext_formatter_slurm.options import SlurmOptions


def from_config(config: SlurmOptions | None) -> SlurmFormatter:
    """Return the formatter with the settings of ``[plugins.slurm]``."""
    return SlurmFormatter(**attrs.asdict(config or SlurmOptions()))


@hookimpl
def whatsnext_formatters() -> Iterable[FormatterPlugin]:
    """Return the formatter of this package."""
    summary = "jobs of a Slurm cluster, submitted by sbatch"
    return [FormatterPlugin(name="slurm", summary=summary, factory=from_config, config=SlurmOptions)]
