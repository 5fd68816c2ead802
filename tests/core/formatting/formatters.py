"""Formatters as strangers would write them."""

import subprocess
from collections.abc import Mapping
from typing import Any

from whatsnext_core.formatting import Formatter

__all__ = ["Executing", "Least"]


class Least(Formatter):
    """Only what a formatter must have."""

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:
        return [task, *map(str, parameters.values())]


class Executing(Least):
    """Runs commands by a method of its own."""

    def execute(self, command: list[str]) -> subprocess.CompletedProcess[Any]:
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
