"""Values of the model, drawn within their limits."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from whatsnext_core.model import (
    Allocation,
    Artifact,
    ArtifactSpec,
    ArtifactUpload,
    Assignment,
    Attempt,
    AttemptEnd,
    AttemptNote,
    AttemptRef,
    AttemptStart,
    AttemptStatus,
    Capacity,
    Cause,
    Client,
    ClientChanges,
    ClientSpec,
    Condition,
    Cursor,
    Device,
    EndOutcome,
    Event,
    EventKind,
    Job,
    JobChanges,
    JobSpec,
    JobStatus,
    LogPiece,
    Project,
    ProjectChanges,
    ProjectStatus,
    Requirement,
    RetryPolicy,
    Share,
    Task,
    TaskSpec,
)
from whatsnext_core.model.artifact import MAX_ARTIFACT
from whatsnext_core.model.attempt import STREAMS
from whatsnext_core.model.limits import MAX_CPU, MAX_ID, MAX_MEMORY, MAX_PRIORITY, MAX_SECONDS
from whatsnext_core.model.task import SIGNALS
from whatsnext_core.sync import MAX_WAIT, MAX_WANTED, Order, OrderKind, SyncRequest, SyncResponse

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

ids = st.integers(1, MAX_ID)
names = st.text("abc -_äß🚀'\"\\", min_size=1, max_size=8).map(str.strip).filter(bool)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
client_ids = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
times = st.integers(0, 2**52).map(lambda microseconds: NOW + timedelta(microseconds=microseconds))
seconds = st.floats(0.001, MAX_SECONDS)
bytes_of_memory = st.integers(0, MAX_MEMORY)
labels = st.frozensets(st.from_regex(r"[a-z0-9][a-z./-]{0,3}(=[a-z.-]{0,3})?", fullmatch=True), max_size=3)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
json_values: st.SearchStrategy[Any] = st.recursive(
    scalars | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
objects = st.dictionaries(texts, json_values, max_size=3)
maybe_objects = st.none() | objects

requirements = st.builds(
    Requirement,
    cpu=st.integers(0, MAX_CPU),
    accelerators=st.integers(0, 4_096) | st.integers(0, 1_000).map(lambda millis: millis / 1_000),
    memory=bytes_of_memory,
    accelerator_kind=st.just("") | names,
    accelerator_memory=bytes_of_memory,
    labels=labels,
)
policies = st.builds(
    RetryPolicy,
    retries=st.integers(0, 1_000),
    delay=st.floats(0, MAX_SECONDS),
    factor=st.floats(1, 100),
    max_delay=st.floats(0, MAX_SECONDS),
    jitter=st.floats(0, 1),
    causes=st.frozensets(st.sampled_from([cause for cause in Cause if cause is not Cause.CANCELLED])),
    memory_factor=st.floats(1, 100),
    max_losses=st.integers(0, 1_000),
)
devices = st.builds(Device, id=names, kind=st.just("") | names, memory=bytes_of_memory, free=st.integers(0, 1_000))
capacities = st.builds(
    Capacity,
    cpu=st.integers(0, MAX_CPU),
    memory=st.none() | bytes_of_memory,
    devices=st.lists(devices, max_size=3, unique_by=lambda device: device.id).map(tuple),
    labels=labels,
)
allocations = st.builds(
    Allocation,
    cpu=st.integers(0, MAX_CPU),
    memory=bytes_of_memory,
    devices=st.lists(st.builds(Share, device=names, millis=st.integers(1, 1_000)), max_size=2).map(tuple),
)

_task_fields: dict[str, st.SearchStrategy[Any]] = {
    "name": names,
    "command_template": st.none() | texts,
    "requirement": requirements,
    "retry": policies,
    "timeout": st.none() | seconds,
    "signal": st.sampled_from(SIGNALS),
    "grace": st.floats(0, MAX_SECONDS),
    "environment": st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,4}", fullmatch=True), texts, max_size=2),
    "options": objects,
}
task_specs = st.builds(TaskSpec, **_task_fields)
tasks = st.builds(Task, **_task_fields, id=ids, project_id=ids, created_at=times, updated_at=times)
conditions = st.dictionaries(ids, st.sampled_from(Condition), max_size=2)
job_specs = st.builds(
    JobSpec,
    name=names,
    task_id=ids,
    parameters=objects,
    priority=st.integers(-MAX_PRIORITY, MAX_PRIORITY),
    depends=conditions,
    id=st.none() | ids,
    timeout=st.none() | seconds,
)
jobs = st.builds(
    Job,
    id=ids,
    name=names,
    project_id=ids,
    task_id=ids,
    task_name=names,
    parameters=objects,
    status=st.sampled_from(JobStatus),
    priority=st.integers(-MAX_PRIORITY, MAX_PRIORITY),
    depends=st.dictionaries(ids, names, max_size=2),
    conditions=conditions,
    created_at=times,
    updated_at=times,
    cause=st.none() | st.sampled_from(Cause),
    message=texts,
    not_before=st.none() | times,
    timeout=st.none() | seconds,
    result=json_values,
)
attempts = st.builds(
    Attempt,
    job_id=ids,
    fence=ids,
    status=st.sampled_from(AttemptStatus),
    client_id=st.none() | client_ids,
    session_id=st.none() | client_ids,
    allocation=allocations,
    claimed_at=times,
    expires_at=st.none() | times,
    cause=st.none() | st.sampled_from(Cause),
    cpu_seconds=st.none() | seconds,
    handle=maybe_objects,
)
refs = st.builds(AttemptRef, job_id=ids, fence=ids)
notes = st.builds(AttemptNote, job_id=ids, fence=ids, message=st.none() | texts)
starts = st.builds(AttemptStart, job_id=ids, fence=ids, handle=maybe_objects)
ends = st.builds(
    AttemptEnd,
    job_id=ids,
    fence=ids,
    succeeded=st.booleans(),
    cause=st.sampled_from(Cause),
    exit_code=st.none() | st.integers(-(2**31), 2**32 - 1),
    message=texts,
    peak_memory=st.none() | bytes_of_memory,
    cpu_seconds=st.none() | seconds,
    duration=st.none() | seconds,
    result=json_values,
)
pieces = st.builds(
    LogPiece,
    job_id=ids,
    fence=ids,
    stream=st.sampled_from(STREAMS),
    offset=st.integers(0, MAX_ID),
    data=st.binary(max_size=200),
)
outcomes = st.builds(
    EndOutcome,
    job_id=ids,
    fence=ids,
    accepted=st.booleans(),
    status=st.none() | st.sampled_from(JobStatus),
    reason=texts,
)
assignments = st.builds(Assignment, job=jobs, task=tasks, fence=ids, allocation=allocations)
projects = st.builds(
    Project,
    id=ids,
    name=names,
    description=texts,
    status=st.sampled_from(ProjectStatus),
    created_at=times,
    updated_at=times,
)
client_specs = st.builds(
    ClientSpec,
    id=client_ids,
    name=names,
    entity=texts,
    description=texts,
    available_cpu=st.integers(0, MAX_CPU),
    available_accelerators=st.integers(0, 16),
    capacity=st.none() | capacities,
    session_id=st.none() | client_ids,
)
clients = st.builds(
    Client,
    id=client_ids,
    name=names,
    entity=texts,
    description=texts,
    available_cpu=st.integers(0, MAX_CPU),
    available_accelerators=st.integers(0, 16),
    capacity=capacities,
    session_id=st.none() | client_ids,
    last_heartbeat=times,
    created_at=times,
    is_active=st.booleans(),
)
events = st.builds(Event, id=ids, project_id=ids, job_id=ids, kind=st.sampled_from(EventKind), at=times, data=objects)
sync_requests = st.builds(
    SyncRequest,
    session_id=client_ids,
    request=st.integers(0, MAX_ID),
    total=capacities,
    free=capacities,
    want=st.integers(0, MAX_WANTED),
    wait=st.floats(0, MAX_WAIT),
    project_ids=st.none() | st.lists(ids, max_size=2).map(tuple),
    running=st.lists(starts, max_size=2).map(tuple),
    held=st.lists(notes, max_size=2).map(tuple),
    released=st.lists(refs, max_size=2).map(tuple),
    adopted=st.lists(refs, max_size=2).map(tuple),
    ended=st.lists(ends, max_size=2).map(tuple),
    output=st.lists(pieces, max_size=2).map(tuple),
)
sync_responses = st.builds(
    SyncResponse,
    now=times,
    lease=seconds,
    interval=seconds,
    num_pending=st.integers(0, 10),
    assignments=st.lists(assignments, max_size=2).map(tuple),
    outcomes=st.lists(outcomes, max_size=2).map(tuple),
    output=st.lists(st.none() | st.integers(0, MAX_ID), max_size=2).map(tuple),
    orders=st.lists(
        st.builds(Order, kind=st.sampled_from(OrderKind), job_id=st.none() | ids, fence=st.none() | ids), max_size=2
    ).map(tuple),
)
project_changes = st.builds(
    ProjectChanges,
    name=st.none() | names,
    description=st.none() | texts,
    status=st.none() | st.sampled_from(ProjectStatus),
)
job_changes = st.builds(
    JobChanges,
    name=st.none() | names,
    project_id=st.none() | ids,
    task_id=st.none() | ids,
    parameters=maybe_objects,
    priority=st.none() | st.integers(-MAX_PRIORITY, MAX_PRIORITY),
    depends=st.none() | conditions,
    status=st.none() | st.sampled_from(JobStatus),
)
client_changes = st.builds(
    ClientChanges,
    name=st.none() | names,
    entity=st.none() | texts,
    description=st.none() | texts,
    available_cpu=st.none() | st.integers(0, MAX_CPU),
    available_accelerators=st.none() | st.integers(0, 16),
    is_active=st.none() | st.booleans(),
    draining=st.none() | st.booleans(),
)
file_names = st.lists(st.from_regex(r"[a-zß][a-z0-9 .-]{0,4}[a-z]", fullmatch=True), min_size=1, max_size=3).map(
    "/".join
)
checksums = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
content_types = st.sampled_from(["application/octet-stream", "text/csv; charset=utf-8"])
sizes = st.integers(0, MAX_ARTIFACT)
artifacts = st.builds(
    Artifact,
    id=ids,
    job_id=ids,
    name=file_names,
    size=sizes,
    sha256=checksums,
    content_type=content_types,
    fence=st.none() | ids,
    created_at=times,
)
artifact_specs = st.builds(
    ArtifactSpec,
    job_id=ids,
    name=file_names,
    size=st.none() | sizes,
    sha256=st.none() | checksums,
    content_type=content_types,
    fence=st.none() | ids,
)
cursors = st.builds(
    Cursor,
    name=names,
    place=st.integers(0, MAX_ID),
    holder=st.none() | texts,
    expires_at=st.none() | times,
    seen_at=times,
    failures=st.integers(0, 100),
    error=texts,
)

EVERYTHING: dict[type, st.SearchStrategy[Any]] = {
    Allocation: allocations,
    Artifact: artifacts,
    ArtifactSpec: artifact_specs,
    ArtifactUpload: st.builds(ArtifactUpload, id=ids, spec=artifact_specs, received=sizes),
    Assignment: assignments,
    Attempt: attempts,
    AttemptEnd: ends,
    AttemptNote: notes,
    AttemptRef: refs,
    AttemptStart: starts,
    Capacity: capacities,
    Client: clients,
    ClientChanges: client_changes,
    ClientSpec: client_specs,
    Cursor: cursors,
    Device: devices,
    EndOutcome: outcomes,
    Event: events,
    Job: jobs,
    JobChanges: job_changes,
    JobSpec: job_specs,
    LogPiece: pieces,
    Project: projects,
    ProjectChanges: project_changes,
    Requirement: requirements,
    RetryPolicy: policies,
    Share: st.builds(Share, device=names, millis=st.integers(1, 1_000)),
    SyncRequest: sync_requests,
    SyncResponse: sync_responses,
    Order: st.builds(Order, kind=st.sampled_from(OrderKind)),
    Task: tasks,
    TaskSpec: task_specs,
}
"""A strategy for each class that travels as JSON."""

ages = st.integers(0, 1_000).map(lambda minutes: timedelta(minutes=minutes))
