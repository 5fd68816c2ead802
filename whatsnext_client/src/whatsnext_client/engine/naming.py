"""The names of projects, which jobs are told, of a worker that takes jobs of all projects."""

from __future__ import annotations

import logging
from typing import Final

from whatsnext_client.engine.records import Held
from whatsnext_client.rest import Rest
from whatsnext_core.errors import WhatsNextError

_log = logging.getLogger(__name__)

PATIENCE: Final = 5.0
"""Seconds that a worker waits for a name."""


def learn_project(rest: Rest, names: dict[int, str], held: Held) -> None:
    """Ask the server, which has just answered, for the name of a project that is seen for the first time."""
    if held.assignment is None or held.assignment.job.project_id in names:
        return
    project_id = held.assignment.job.project_id
    try:
        found = rest.transport.get(f"/projects/{project_id}", timeout=PATIENCE, retry_for=0.0)
        names[project_id] = found["name"]
    except WhatsNextError as error:
        _log.debug("The name of project %d stays unknown: %s", project_id, error)
