"""The plugin module that the `formatter-python` entry point names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from whatsnext_core.hookspecs import FormatterPlugin, hookimpl
from whatsnext_formatter_python.options import PythonOptions

if TYPE_CHECKING:
    from whatsnext_formatter_python.formatter import PythonFormatter


@hookimpl
def whatsnext_formatters() -> Iterable[FormatterPlugin]:
    """Return the formatter of this package."""
    summary = "Python functions, called in processes that stay warm"
    return [FormatterPlugin(name="python", summary=summary, factory=_make, config=PythonOptions)]


def _make(config: PythonOptions | None) -> PythonFormatter:
    from whatsnext_formatter_python.formatter import PythonFormatter

    return PythonFormatter.from_config(config)
