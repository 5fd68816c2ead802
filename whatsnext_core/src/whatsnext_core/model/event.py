"""An event: one change of one job, numbered, for whoever follows along."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen


@frozen(kw_only=True)
class Event:
    """One change of one job."""

    id: int
    """Number of the event; a later one has a higher number."""
    project_id: int
    """The job's project."""
    job_id: int
    """The job."""
    kind: str
    """What happened: ``submitted``, ``claimed``, ``started``, ``completed``, ``failed``, ``retrying``, ``lost``, ..."""
    at: datetime
    """When, in UTC."""
    data: Mapping[str, Any] = field(factory=dict)
    """Details: from and to status, client, cause."""
