"""The Pydantic schemas of requests and answers; fields are described where the model defines them."""

from whatsnext_server.schemas.artifacts import ArtifactDocument, UploadState
from whatsnext_server.schemas.clients import ClientDocument, ClientRegistration, ClientUpdate, SyncAnswer, SyncBody
from whatsnext_server.schemas.common import Acknowledgement, Deleted, LogProblem, Message, Problem
from whatsnext_server.schemas.events import EventDocument, NotifierDocument
from whatsnext_server.schemas.jobs import (
    AttemptDocument,
    Batch,
    BatchDependency,
    BatchJob,
    BatchResult,
    Dependencies,
    Dependency,
    Fetch,
    FetchedJob,
    JobData,
    JobDocument,
    JobUpdate,
    NewJob,
    WhyDocument,
)
from whatsnext_server.schemas.projects import DemandDocument, NewProject, ProjectCounts, ProjectDocument, ProjectUpdate
from whatsnext_server.schemas.tasks import NewTask, Retry, TaskDocument, TaskUpdate

__all__ = [
    "Acknowledgement",
    "ArtifactDocument",
    "AttemptDocument",
    "Batch",
    "BatchDependency",
    "BatchJob",
    "BatchResult",
    "ClientDocument",
    "ClientRegistration",
    "ClientUpdate",
    "Deleted",
    "DemandDocument",
    "Dependencies",
    "Dependency",
    "EventDocument",
    "Fetch",
    "FetchedJob",
    "JobData",
    "JobDocument",
    "JobUpdate",
    "LogProblem",
    "Message",
    "NewJob",
    "NewProject",
    "NewTask",
    "NotifierDocument",
    "Problem",
    "ProjectCounts",
    "ProjectDocument",
    "ProjectUpdate",
    "Retry",
    "SyncAnswer",
    "SyncBody",
    "TaskDocument",
    "TaskUpdate",
    "UploadState",
    "WhyDocument",
]
