"""The model's classes refuse what breaks a rule, and apply changes as they say."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given

from tests.core import strategies
from tests.core.strategies import NOW
from whatsnext_core.errors import InvalidError, TooLargeError
from whatsnext_core.model import (
    Allocation,
    AttemptEnd,
    AttemptRef,
    AttemptStart,
    AttemptStatus,
    Capacity,
    Cause,
    Client,
    ClientChanges,
    ClientSpec,
    Condition,
    Device,
    JobChanges,
    JobSpec,
    JobStatus,
    LogPiece,
    ProjectChanges,
    ProjectStatus,
    Requirement,
    RetryPolicy,
    Share,
    TaskSpec,
)
from whatsnext_core.model.attempt import MAX_PIECE
from whatsnext_core.resources import numbered_devices
from whatsnext_core.storage import JobQuery, Page
from whatsnext_core.sync import SyncRequest


def end(**fields: Any) -> AttemptEnd:
    """The end of an attempt."""
    return AttemptEnd(**{"job_id": 7, "fence": 1, "succeeded": True, **fields})


def job(**fields: Any) -> JobSpec:
    """A new job."""
    return JobSpec(**{"name": "train", "task_id": 1, **fields})


BIG = {"x": "y" * 65_536}
REFUSED: list[tuple[Callable[..., object], dict[str, Any], str]] = [
    (Requirement, {"cpu": -1}, "number of required CPUs is -1; it must be from 0 to 65536"),
    (Requirement, {"cpu": 65_537}, "65537"),
    (Requirement, {"accelerators": 1.5}, "above 1 it must be a whole number"),
    (Requirement, {"accelerators": 0.3333}, "shares go in steps of 0.001"),
    (Requirement, {"accelerators": float("nan")}, "number of required accelerators is nan"),
    (Requirement, {"accelerators": 4_097}, "number of required accelerators"),
    (Requirement, {"memory": -1}, "required memory is -1"),
    (Requirement, {"memory": 2**61}, "required memory"),
    (Requirement, {"accelerator_memory": -1}, "required accelerator memory"),
    (Requirement, {"accelerator_kind": " a"}, "kind of accelerator"),
    (Requirement, {"labels": {"a b"}}, "label 'a b' of the required labels"),
    (RetryPolicy, {"retries": 1_001}, "number of retries is 1001"),
    (RetryPolicy, {"max_losses": -1}, "limit of losses"),
    (RetryPolicy, {"delay": -0.1}, "delay of retries"),
    (RetryPolicy, {"max_delay": float("inf")}, "delay of retries is inf"),
    (RetryPolicy, {"factor": 0.5}, "growth factor of retries"),
    (RetryPolicy, {"memory_factor": 101}, "growth factor of retries"),
    (RetryPolicy, {"jitter": 1.1}, "jitter of retries"),
    (RetryPolicy, {"causes": {Cause.CANCELLED}}, "remove 'cancelled' from the causes"),
    (TaskSpec, {"name": ""}, "name of the task is empty"),
    (TaskSpec, {"name": "t", "command_template": "\0"}, "command template of task 't'"),
    (TaskSpec, {"name": "t", "timeout": 0}, "timeout of task 't' is 0"),
    (TaskSpec, {"name": "t", "grace": -1}, "grace of task 't'"),
    (TaskSpec, {"name": "t", "signal": "SIGKILL"}, "signal 'SIGKILL' of task 't' is not one of SIGTERM"),
    (TaskSpec, {"name": "t", "environment": {"1": ""}}, "environment variable '1' of task 't'"),
    (TaskSpec, {"name": "t", "options": {"x": {1}}}, "options of task 't'"),
    (job, {"name": "a\nb"}, "name of the job"),
    (job, {"name": ""}, "name of the job is empty"),
    (job, {"name": "x" * 256}, "name of the job has 256 characters"),
    (job, {"name": " x"}, "name of the job ' x' begins or ends with white space"),
    (job, {"name": "x "}, "name of the job 'x ' begins or ends with white space"),
    (job, {"task_id": 2**63}, "task of job 'train'"),
    (job, {"priority": -(2**31)}, "priority of job 'train'"),
    (job, {"task_id": 0}, "task of job 'train' 0 is out of range"),
    (job, {"id": 2**63}, "id of job 'train'"),
    (job, {"priority": 2**31}, "priority of job 'train' is 2147483648"),
    (job, {"parameters": {"x": float("nan")}}, "parameters of job 'train' contain nan"),
    (job, {"depends": {0: Condition.SUCCESS}}, "dependency of job 'train' 0"),
    (job, {"timeout": 0}, "timeout of job 'train'"),
    (JobChanges, {"name": ""}, "name of the job is empty"),
    (JobChanges, {"project_id": 0}, "project of the job 0"),
    (JobChanges, {"task_id": -5}, "task of the job -5"),
    (JobChanges, {"parameters": {"x": float("inf")}}, "parameters of the job"),
    (JobChanges, {"priority": -(2**31)}, "priority of the job"),
    (JobChanges, {"depends": {2**63: Condition.SUCCESS}}, "dependency of the job"),
    (ProjectChanges, {"name": "x" * 256}, "name of the project"),
    (ProjectChanges, {"description": "\0"}, "description of the project"),
    (Device, {"id": ""}, "id of a device is empty"),
    (Device, {"id": "0", "kind": "\n"}, "kind of device '0'"),
    (Device, {"id": "0", "memory": -1}, "memory of device '0'"),
    (Device, {"id": "0", "free": 1_001}, "free share of device '0'"),
    (Capacity, {"cpu": -1}, "number of available CPUs"),
    (Capacity, {"memory": -1}, "available memory"),
    (Capacity, {"labels": {"="}}, "the client's labels"),
    (Capacity, {"devices": numbered_devices(4_097)}, "number of available accelerators is 4097"),
    (
        Capacity,
        {"devices": (Device(id="a"), Device(id="b"), Device(id="a"))},
        "Two available accelerators have the id 'a'",
    ),
    (ClientSpec, {"id": "a b", "name": "a"}, "client id 'a b'"),
    (ClientSpec, {"id": "a", "name": ""}, "name of the client"),
    (ClientSpec, {"id": "a", "name": "a", "entity": "\0"}, "entity of the client"),
    (ClientSpec, {"id": "a", "name": "a", "description": "x" * 65_537}, "description of the client"),
    (ClientSpec, {"id": "a", "name": "a", "available_cpu": 10**9}, "number of available CPUs"),
    (ClientSpec, {"id": "a", "name": "a", "available_accelerators": 10**9}, "number of available accelerators"),
    (ClientChanges, {"name": " "}, "name of the client"),
    (ClientChanges, {"entity": "\0"}, "entity of the client"),
    (ClientChanges, {"available_cpu": -1}, "number of available CPUs"),
    (ClientChanges, {"available_accelerators": -1}, "number of available accelerators"),
    (AttemptRef, {"job_id": 0, "fence": 1}, "job id 0 is out of range"),
    (AttemptRef, {"job_id": 1, "fence": 2**63}, "fence 9223372036854775808 is out of range"),
    (AttemptStart, {"job_id": 1, "fence": 1, "handle": BIG}, "handle of the attempt take 65544 bytes"),
    (end, {"succeeded": False}, "attempt 1 of job 7 says neither success nor a cause"),
    (end, {"exit_code": 2**32}, "exit code of job 7"),
    (end, {"peak_memory": -1}, "peak memory of job 7"),
    (end, {"cpu_seconds": float("nan")}, "cpu_seconds of job 7"),
    (end, {"duration": -1}, "duration of job 7"),
    (end, {"result": BIG}, "result of job 7 take 65544 bytes"),
    (
        LogPiece,
        {"job_id": 7, "fence": 1, "stream": "log", "offset": 0, "data": b""},
        "stream 'log' is none of stdout",
    ),
    (LogPiece, {"job_id": 7, "fence": 1, "stream": "stdout", "offset": -1, "data": b""}, "offset in stdout of job 7"),
    (
        LogPiece,
        {"job_id": 7, "fence": 1, "stream": "stderr", "offset": 0, "data": bytes(MAX_PIECE + 1)},
        "A piece of stderr of job 7 has 65537 bytes; 65536 are allowed",
    ),
    (SyncRequest, {"session_id": ""}, "client id ''"),
    (SyncRequest, {"session_id": "s", "want": 1_001}, "number of wanted jobs"),
    (SyncRequest, {"session_id": "s", "wait": 61}, "wait of the sync request"),
    (SyncRequest, {"session_id": "s", "time_left": -1}, "time left of the sync request"),
    (SyncRequest, {"session_id": "s", "request": -1}, "number of the sync request"),
    (SyncRequest, {"session_id": "s", "project_ids": (0,)}, "project of the sync request"),
    (Page, {"limit": 10_001}, "limit is 10001"),
    (Page, {"limit": -1}, "limit is -1"),
    (Page, {"skip": -1}, "skip is -1"),
]


@pytest.mark.parametrize(("make", "fields", "words"), REFUSED)
def test_value_that_breaks_a_rule_is_refused(make: Callable[..., object], fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        make(**fields)


def test_size_is_told_from_other_faults() -> None:
    with pytest.raises(TooLargeError):
        end(result=BIG)


def test_piece_of_output_says_where_it_ends() -> None:
    assert LogPiece(job_id=7, fence=1, stream="stdout", offset=5, data=bytes(MAX_PIECE)).end == 5 + MAX_PIECE


def test_message_is_cut_to_what_can_be_stored() -> None:
    assert end(message="a\0b\ud800c").message == "ab?c"
    assert len(end(message="💥" * 70_000).message) == 65_536


@given(strategies.client_specs)
def test_client_registers_as_it_says(spec: ClientSpec) -> None:
    client = spec.register(None, NOW)
    assert (client.id, client.name, client.created_at, client.last_heartbeat) == (spec.id, spec.name, NOW, NOW)
    assert (client.is_active, client.draining) == (True, False)
    expected = Capacity(cpu=spec.available_cpu, devices=numbered_devices(spec.available_accelerators))
    assert client.capacity == (spec.capacity or expected)
    later = NOW + timedelta(hours=1)
    again = spec.register(evolve(client, is_active=False, draining=True), later)
    assert again == evolve(client, last_heartbeat=later)


@given(strategies.clients, strategies.client_changes)
def test_changes_of_a_client_touch_what_they_name(client: Client, changes: ClientChanges) -> None:
    changed = changes.apply(client)
    for name in ("name", "entity", "description", "available_cpu", "available_accelerators", "is_active", "draining"):
        wanted = getattr(changes, name)
        assert getattr(changed, name) == (getattr(client, name) if wanted is None else wanted)
    assert changed.capacity.memory == client.capacity.memory
    assert changed.capacity.cpu == (client.capacity.cpu if changes.available_cpu is None else changes.available_cpu)
    if changes.available_accelerators in {None, client.available_accelerators}:
        assert changed.capacity.devices == client.capacity.devices
    else:
        assert len(changed.capacity.devices) == changes.available_accelerators


@pytest.mark.parametrize("kind", [JobStatus, AttemptStatus, Cause, Condition, ProjectStatus])
def test_words_are_read_in_any_case(kind: type[JobStatus]) -> None:
    for member in kind:
        assert kind.parse(member.value.swapcase()) is member
    with pytest.raises(InvalidError, match=f"'nonsense' is not a .*; use one of {next(iter(kind)).value}"):
        kind.parse("nonsense")


def test_statuses_are_waiting_live_or_final() -> None:
    for status in JobStatus:
        assert [status.is_waiting, status.is_live, status.is_final].count(True) == 1
    live = {status for status in AttemptStatus if status.is_live}
    assert live == {AttemptStatus.CLAIMED, AttemptStatus.RUNNING}


@given(strategies.requirements, strategies.requirements)
def test_equal_requirements_have_equal_keys(one: Requirement, other: Requirement) -> None:
    same = Requirement(
        cpu=one.cpu,
        accelerators=one.accelerators,
        memory=one.memory,
        accelerator_kind=one.accelerator_kind,
        accelerator_memory=one.accelerator_memory,
        labels=one.labels,
    )
    assert same.key == one.key
    if one.key == other.key:
        assert evolve(one, accelerator_kind="") == evolve(other, accelerator_kind="")
    assert Requirement(accelerator_kind="A100").key == Requirement(accelerator_kind="a100").key


def test_requirement_is_told_in_words() -> None:
    assert Requirement().describe() == "1 CPU"
    assert Requirement(cpu=0, accelerators=0.5).describe() == "0 CPUs, 0.5 accelerator"
    full = Requirement(
        cpu=2,
        accelerators=3,
        accelerator_kind="a100",
        accelerator_memory=2**35,
        memory=2**32,
        labels=frozenset({"ssd", "os=linux"}),
    )
    words = "2 CPUs, 3 accelerators (a100 32.0 GiB), 4.0 GiB of memory, labels os=linux, ssd"
    assert full.describe() == words
    assert full.accelerator_millis == 3_000


def test_allocation_names_its_devices() -> None:
    shares = (Share(device="GPU-b", millis=500), Share(device="0", millis=1_000))
    assert Allocation(devices=shares).device_ids == ("GPU-b", "0")


def test_sets_are_taken_from_any_collection() -> None:
    assert JobQuery(statuses=[JobStatus.PENDING]).statuses == frozenset({JobStatus.PENDING})
    assert RetryPolicy(causes=iter([Cause.EXIT])).causes == frozenset({Cause.EXIT})
    assert Requirement(labels=["b", "a"]).labels == Capacity(labels=("a", "b")).labels
