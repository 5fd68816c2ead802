"""The tables behind the models, for statements of SQLAlchemy Core."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table

from whatsnext_storage_sql import models


def _table(model: type[models.Base]) -> Table:
    return cast("Table", model.__table__)


PROJECT = _table(models.Project)
TASK = _table(models.Task)
REQUIREMENT_CLASS = _table(models.RequirementClass)
JOB = _table(models.Job)
EDGE = _table(models.Edge)
READY = _table(models.Ready)
DELAYED = _table(models.Delayed)
LISTING = _table(models.Listing)
COUNTER = _table(models.Counter)
EVENT = _table(models.Event)
EVENT_CURSOR = _table(models.EventCursor)
GONE = _table(models.Gone)
CLIENT = _table(models.Client)
ATTEMPT = _table(models.Attempt)
LEASE = _table(models.Lease)
RESERVATION = _table(models.Reservation)
LOG_STREAM = _table(models.LogStream)
LOG_CHUNK = _table(models.LogChunk)
ARTIFACT = _table(models.Artifact)
ARTIFACT_CHUNK = _table(models.ArtifactChunk)
SEQUENCE_VALUE = _table(models.SequenceValue)
SUBMISSION = _table(models.Submission)
RIPPLE = _table(models.Ripple)
HALT = _table(models.Halt)
RECLASSING = _table(models.Reclassing)
ATTENDANCE = _table(models.Attendance)
