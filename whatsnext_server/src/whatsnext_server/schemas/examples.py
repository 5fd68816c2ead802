"""One example for each schema of the API, made from values of the model, so that none can be out of date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from attrs import evolve

from whatsnext_core.converters import to_json
from whatsnext_core.explaining import Estimate, Explanation, Reason, Sample
from whatsnext_core.model import (
    Allocation,
    Artifact,
    Assignment,
    Attempt,
    AttemptEnd,
    AttemptStart,
    AttemptStatus,
    Capacity,
    ClientSpec,
    Condition,
    Cursor,
    EndOutcome,
    Event,
    EventKind,
    Job,
    JobStatus,
    LogPiece,
    Project,
    Requirement,
    RetryPolicy,
    Share,
    Task,
)
from whatsnext_core.resources import numbered_devices
from whatsnext_core.storage import Demand
from whatsnext_core.sync import SyncRequest, SyncResponse
from whatsnext_server.schemas.clients import client_document
from whatsnext_server.schemas.jobs import fetched_document
from whatsnext_server.schemas.tasks import task_document

NOON: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
LEASE: Final = timedelta(seconds=90)

_PROJECT = Project(id=1, name="digits", description="Recognise handwritten digits", created_at=NOON, updated_at=NOON)
_TASK = Task(
    id=1,
    project_id=1,
    name="train",
    command_template="python train.py --lr {lr}",
    requirement=Requirement(cpu=2, accelerators=1, memory=4 * 2**30),
    retry=RetryPolicy(retries=2),
    timeout=3600.0,
    environment={"OMP_NUM_THREADS": "2"},
    created_at=NOON,
    updated_at=NOON,
)
EVENT: Final = Event(
    id=41,
    project_id=1,
    job_id=18,
    kind=EventKind.STARTED,
    at=NOON,
    data={"from": "QUEUED", "to": "RUNNING", "fence": 1, "client": "worker-1"},
)
_CURSOR = Cursor(
    name="webhook",
    place=38,
    holder="8f14e45f",
    expires_at=NOON + LEASE,
    seen_at=NOON,
    failures=1,
    error="EngineError: it answered 503",
)
_JOB = Job(
    id=18,
    name="train-1",
    project_id=1,
    task_id=1,
    task_name="train",
    parameters={"lr": 0.01, "epochs": 10},
    status=JobStatus.PENDING,
    priority=5,
    depends={17: "prepare"},
    conditions={17: Condition.SUCCESS},
    created_at=NOON,
    updated_at=NOON,
)
_QUEUED = evolve(_JOB, status=JobStatus.QUEUED, attempt=1, client_id="worker-1", updated_at=NOON + SECOND)
_ALLOCATION = Allocation(cpu=2, memory=4 * 2**30, devices=(Share(device="0", millis=1000),))
_ATTEMPT = Attempt(
    job_id=18,
    fence=1,
    status=AttemptStatus.RUNNING,
    client_id="worker-1",
    session_id="f3b1c2d4",
    allocation=_ALLOCATION,
    claimed_at=NOON + SECOND,
    started_at=NOON + 2 * SECOND,
    expires_at=NOON + LEASE,
    handle={"pid": 4711, "started": 1769860802.5},
    request=7,
)
_CAPACITY = Capacity(cpu=8, memory=32 * 2**30, devices=numbered_devices(2), labels=frozenset({"site=here"}))
_CLIENT = ClientSpec(
    id="worker-1", name="worker 1", entity="team", available_cpu=8, available_accelerators=2, capacity=_CAPACITY
)
_SYNC = SyncRequest(
    session_id="f3b1c2d4",
    request=8,
    total=_CAPACITY,
    free=evolve(_CAPACITY, cpu=6, devices=_CAPACITY.devices[1:]),
    want=3,
    wait=20.0,
    project_ids=(1,),
    running=(AttemptStart(job_id=18, fence=1, handle={"pid": 4711}),),
    ended=(AttemptEnd(job_id=16, fence=1, succeeded=True, exit_code=0, duration=12.5, result={"accuracy": 0.97}),),
    output=(LogPiece(job_id=16, fence=1, stream="stdout", offset=0, data=b"epoch 1\n"),),
)
_SYNC_ANSWER = SyncResponse(
    now=NOON + SECOND,
    lease=90.0,
    interval=20.0,
    num_pending=3,
    assignments=(Assignment(job=_QUEUED, task=_TASK, fence=1, allocation=_ALLOCATION),),
    outcomes=(EndOutcome(job_id=16, fence=1, accepted=True, status=JobStatus.COMPLETED),),
    output=(8,),
)

_ARTIFACT = Artifact(
    id=1,
    job_id=16,
    name="plots/loss.png",
    size=12_345,
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    content_type="image/png",
    fence=1,
    created_at=NOON,
)
_WHY = Explanation(
    job_id=18,
    name="train-1",
    status=JobStatus.PENDING,
    at=NOON + SECOND,
    reasons=(
        Reason(
            code="queue",
            text="It is ready, and 12 jobs stand before it in the queue.",
            advice="To let it go earlier, give it a higher priority than those before it.",
        ),
        Reason(
            code="estimate",
            text="It may start in 3 min to 8 min, judging by the last 20 runs of train (50 s to 2 min).",
            until=NOON + 481 * SECOND,
        ),
    ),
    place=12,
    estimate=Estimate(
        earliest=NOON + 181 * SECOND,
        latest=NOON + 481 * SECOND,
        samples=(Sample(task_id=1, task="train", runs=20, shortest=50.0, longest=120.0),),
    ),
)

EXAMPLES: Final[Mapping[str, Any]] = {
    "Acknowledgement": {"status": "ok"},
    "Artifact": to_json(_ARTIFACT),
    "Attempt": to_json(_ATTEMPT),
    "BatchResult": {"created": 2, "job_ids": [17, 18]},
    "ClientDocument": client_document(_CLIENT.register(None, NOON)),
    "ClientRegistration": {"id": "worker-1", "name": "worker 1", "entity": "team", "available_cpu": 8},
    "ClientUpdate": {"draining": True},
    "Deleted": {"deleted": 15},
    "Demand": to_json(Demand(project_id=1, requirement=_TASK.requirement, longest=3630.0, jobs=3)),
    "Dependencies": {
        "job_id": 18,
        "dependencies": [{"id": 17, "name": "prepare", "status": "COMPLETED"}],
        "all_completed": True,
    },
    "Event": to_json(EVENT),
    "Explanation": to_json(_WHY),
    "Fetch": {"job": fetched_document(_QUEUED), "num_pending": 3},
    "Job": to_json(_JOB),
    "JobData": {"data": to_json(_JOB)},
    "JobUpdate": {"priority": 5},
    "Message": {"message": "OK"},
    "NewJob": {
        "name": "train-1",
        "project_id": 1,
        "task_id": 1,
        "parameters": {"lr": 0.01},
        "depends": {"17": "prepare"},
    },
    "NewProject": {"name": "digits", "description": "Recognise handwritten digits"},
    "NewTask": {
        "name": "train",
        "project_id": 1,
        "command_template": "python train.py --lr {lr}",
        "required_cpu": 2,
        "required_memory": "4G",
        "retry": {"retries": 2},
    },
    "NotifierDocument": {**to_json(_CURSOR), "behind": 3},
    "Project": to_json(_PROJECT),
    "ProjectCounts": {status.value: 3 * (status is JobStatus.PENDING) for status in JobStatus},
    "ProjectUpdate": {"status": "ARCHIVED"},
    "SyncRequest": to_json(_SYNC),
    "SyncResponse": to_json(_SYNC_ANSWER),
    "TaskDocument": task_document(_TASK),
    "TaskUpdate": {"required_cpu": 4},
    "UploadState": {"size": 12_345, "artifact": to_json(_ARTIFACT)},
}
"""The examples, by the name of the schema in the description of the API."""

__all__ = ["EVENT", "EXAMPLES"]
