"""The plugin module that the `formatter-docker` entry point names."""

from __future__ import annotations

from collections.abc import Iterable

from whatsnext_core.hookspecs import FormatterPlugin, hookimpl
from whatsnext_formatter_docker.formatter import DockerFormatter
from whatsnext_formatter_docker.options import DockerOptions


@hookimpl
def whatsnext_formatters() -> Iterable[FormatterPlugin]:
    """Return the formatter of this package."""
    summary = "containers of Docker or Podman on this machine"
    return [FormatterPlugin(name="docker", summary=summary, factory=DockerFormatter.from_config, config=DockerOptions)]
