"""The plugin module that the `formatter-slurm` entry point names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from whatsnext_core.hookspecs import FormatterPlugin, hookimpl
from whatsnext_formatter_slurm.options import SlurmOptions

if TYPE_CHECKING:
    from whatsnext_formatter_slurm.formatter import SlurmFormatter


def from_config(config: SlurmOptions | None) -> SlurmFormatter:
    """Return the formatter with the settings of ``[plugins.slurm]``."""
    from whatsnext_formatter_slurm.formatter import SlurmFormatter

    return SlurmFormatter(**attrs.asdict(config or SlurmOptions()))


@hookimpl
def whatsnext_formatters() -> Iterable[FormatterPlugin]:
    """Return the formatter of this package."""
    summary = "jobs of a Slurm cluster, submitted by sbatch"
    return [FormatterPlugin(name="slurm", summary=summary, factory=from_config, config=SlurmOptions)]
