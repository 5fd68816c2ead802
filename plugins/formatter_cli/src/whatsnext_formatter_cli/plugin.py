"""The plugin module that the `formatter-cli` entry point names."""

from __future__ import annotations

from collections.abc import Iterable

from whatsnext_core.hookspecs import FormatterPlugin, hookimpl
from whatsnext_formatter_cli.formatter import CLIFormatter, CLIOptions


@hookimpl
def whatsnext_formatters() -> Iterable[FormatterPlugin]:
    """Return the formatter of this package."""
    summary = "programs of this machine, as local processes"
    return [FormatterPlugin(name="cli", summary=summary, factory=CLIFormatter.from_config, config=CLIOptions)]
