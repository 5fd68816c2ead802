"""The things that WhatsNext keeps: projects, tasks, jobs, clients and attempts, as immutable values."""

from whatsnext_core.model.artifact import Artifact, ArtifactSpec, ArtifactUpload
from whatsnext_core.model.attempt import (
    Assignment,
    Attempt,
    AttemptEnd,
    AttemptNote,
    AttemptRef,
    AttemptStart,
    EndOutcome,
    LogPiece,
)
from whatsnext_core.model.client import Allocation, Capacity, Client, ClientChanges, ClientSpec, Device, Share
from whatsnext_core.model.cursor import Cursor
from whatsnext_core.model.event import Event, EventKind, event_data
from whatsnext_core.model.job import Job, JobChanges, JobSpec
from whatsnext_core.model.project import Project, ProjectChanges
from whatsnext_core.model.requirement import Requirement
from whatsnext_core.model.retry import RetryPolicy
from whatsnext_core.model.status import AttemptStatus, Cause, Condition, JobStatus, ProjectStatus
from whatsnext_core.model.task import Task, TaskSpec

__all__ = [
    "Allocation",
    "Artifact",
    "ArtifactSpec",
    "ArtifactUpload",
    "Assignment",
    "Attempt",
    "AttemptEnd",
    "AttemptNote",
    "AttemptRef",
    "AttemptStart",
    "AttemptStatus",
    "Capacity",
    "Cause",
    "Client",
    "ClientChanges",
    "ClientSpec",
    "Condition",
    "Cursor",
    "Device",
    "EndOutcome",
    "Event",
    "EventKind",
    "Job",
    "JobChanges",
    "JobSpec",
    "JobStatus",
    "LogPiece",
    "Project",
    "ProjectChanges",
    "ProjectStatus",
    "Requirement",
    "RetryPolicy",
    "Share",
    "Task",
    "TaskSpec",
    "event_data",
]
