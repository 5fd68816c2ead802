"""The formatters that come in distributions of their own, loaded when they are first asked for."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from whatsnext_core.errors import PluginError

FORMATTERS: Final = {
    "CLIFormatter": "whatsnext_formatter_cli",
    "SlurmFormatter": "whatsnext_formatter_slurm",
    "DockerFormatter": "whatsnext_formatter_docker",
    "RUNAIFormatter": "whatsnext_formatter_runai",
    "KubernetesFormatter": "whatsnext_formatter_kubernetes",
}
"""The documented formatters, each with the package that has it."""


class MissingFormatterError(PluginError, ImportError):
    """A documented formatter was asked for whose distribution is not installed."""


def load_formatter(name: str) -> Any:
    """Return the formatter class of this name.

    Raises:
        AttributeError: there is none.
        MissingFormatterError: its distribution is not installed; the message names it.
    """
    package = FORMATTERS.get(name)
    if package is None:
        raise AttributeError(f"module 'whatsnext.api.client' has no attribute {name!r}")
    if find_spec(package) is None:
        distribution = package.replace("_", "-")
        raise MissingFormatterError(
            f"{name} comes with the distribution {distribution}, which is not installed: pip install {distribution}"
        )
    return getattr(import_module(package), name)


def installed_formatters() -> list[str]:
    """Return the names of the formatters that can be loaded here."""
    return [name for name, package in FORMATTERS.items() if find_spec(package) is not None]
