"""The plugin module that the `formatter-docker` entry point names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from whatsnext_core.hookspecs import FormatterPlugin, hookimpl
from whatsnext_formatter_docker.options import DockerOptions

if TYPE_CHECKING:
    from whatsnext_formatter_docker.formatter import DockerFormatter


@hookimpl
def whatsnext_formatters() -> Iterable[FormatterPlugin]:
    """Return the formatter of this package."""
    summary = "containers of Docker or Podman on this machine"
    return [FormatterPlugin(name="docker", summary=summary, factory=_make, config=DockerOptions)]


def _make(config: DockerOptions | None) -> DockerFormatter:
    from whatsnext_formatter_docker.formatter import DockerFormatter

    return DockerFormatter.from_config(config)
