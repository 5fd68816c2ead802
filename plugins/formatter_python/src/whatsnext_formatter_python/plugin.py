"""The plugin module that the `formatter-python` entry point names."""

from __future__ import annotations

from collections.abc import Iterable

from whatsnext_core.hookspecs import FormatterPlugin, hookimpl
from whatsnext_formatter_python.formatter import PythonFormatter
from whatsnext_formatter_python.options import PythonOptions


@hookimpl
def whatsnext_formatters() -> Iterable[FormatterPlugin]:
    """Return the formatter of this package."""
    summary = "Python functions, called in processes that stay warm"
    return [FormatterPlugin(name="python", summary=summary, factory=PythonFormatter.from_config, config=PythonOptions)]
