"""Environment variables on their way into a container."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

ITS_OWN: Final = re.compile(
    r"PATH|HOME|TMPDIR|(DOCKER|CONTAINERS?|PODMAN|BUILDKIT|LD|DYLD|XDG|SSH|GO|OTEL)_?.*|.*_proxy", re.IGNORECASE
)
"""Names of variables that the program ``docker`` or ``podman`` heeds itself."""


def split_variables(env: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the options that give a container its variables, and what the program that reads them needs for this.

    Values are handed over in the environment, where other users of the machine do not see them, but for those that the
    program would take for its own.
    """
    open_ones = {name: value for name, value in env.items() if ITS_OWN.fullmatch(name)}
    hidden = {name: value for name, value in env.items() if name not in open_ones}
    options = [f"--env={name}={value}" for name, value in open_ones.items()]
    return [*options, *(f"--env={name}" for name in hidden)], hidden
