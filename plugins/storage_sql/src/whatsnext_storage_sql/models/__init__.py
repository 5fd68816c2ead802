"""The tables, as SQLAlchemy models.

The narrow tables beside ``Job`` (``Ready``, ``Listing``, ``Lease``, counters) are kept in step with it by the storage:
read them as you like, but write through ``whatsnext_core.storage``.
"""

from whatsnext_storage_sql.models.artifact import Artifact, ArtifactChunk
from whatsnext_storage_sql.models.attempt import Attempt, Client, Lease, LogChunk, LogStream, Reservation
from whatsnext_storage_sql.models.base import Base
from whatsnext_storage_sql.models.job import Edge, Job
from whatsnext_storage_sql.models.project import Project, RequirementClass, Task
from whatsnext_storage_sql.models.queue import Counter, Delayed, Event, EventCursor, Gone, Listing, Ready
from whatsnext_storage_sql.models.work import Attendance, Halt, Reclassing, Ripple, SequenceValue, Submission

__all__ = [
    "Artifact",
    "ArtifactChunk",
    "Attempt",
    "Attendance",
    "Base",
    "Client",
    "Counter",
    "Delayed",
    "Edge",
    "Event",
    "EventCursor",
    "Gone",
    "Halt",
    "Job",
    "Lease",
    "Listing",
    "LogChunk",
    "LogStream",
    "Project",
    "Ready",
    "Reclassing",
    "RequirementClass",
    "Reservation",
    "Ripple",
    "SequenceValue",
    "Submission",
    "Task",
]
