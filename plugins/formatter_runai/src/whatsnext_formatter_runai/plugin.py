"""The plugin module that the `formatter-runai` entry point names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from whatsnext_core.hookspecs import FormatterPlugin, hookimpl
from whatsnext_formatter_runai.options import RUNAIOptions

if TYPE_CHECKING:
    from whatsnext_formatter_runai.formatter import RUNAIFormatter


def from_config(config: RUNAIOptions | None) -> RUNAIFormatter:
    """Return the formatter with the settings of ``[plugins.runai]``."""
    from whatsnext_formatter_runai.formatter import RUNAIFormatter

    return RUNAIFormatter(**attrs.asdict(config or RUNAIOptions()))


@hookimpl
def whatsnext_formatters() -> Iterable[FormatterPlugin]:
    """Return the formatter of this package."""
    summary = "workloads of NVIDIA Run:ai, submitted by runai"
    return [FormatterPlugin(name="runai", summary=summary, factory=from_config, config=RUNAIOptions)]
