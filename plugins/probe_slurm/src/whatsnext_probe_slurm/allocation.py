"""What Slurm says of an allocation in the environment of its processes; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from attrs import frozen

VISIBLE: Final = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
"""Variables with the devices that a process sees, by which its jobs are kept apart."""
GIVEN: Final = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
"""Variables with the devices that Slurm gave, for clusters that set none of those."""
NONE: Final = frozenset({"", "-1", "NoDevFiles", "none"})
"""How such a variable says that there is no device."""
MEBIBYTE: Final = 2**20


@frozen(kw_only=True)
class Allocation:
    """What a process inside of an allocation may use of its node."""

    job: str
    """Id of the job."""
    cpu: int | None
    """CPUs; None if Slurm doesn't tell."""
    memory: int | None
    """Bytes of main memory; None if Slurm does not deal it out."""
    devices: tuple[str, ...]
    """Ids of the devices."""
    labels: frozenset[str]
    """Labels that the node deserves."""
    ends_at: int | None
    """When it ends, in seconds since 1970; None if the environment doesn't tell."""


def read_allocation(environ: Mapping[str, str]) -> Allocation | None:
    """Return the allocation that these variables tell of; None outside of one.

    A batch script may use all that its job has on the node; one of several tasks of a step gets its share.
    """
    job = environ.get("SLURM_JOB_ID", "")
    if not job:
        return None
    tasks = _tasks_here(environ)
    cpu = _number(environ.get("SLURM_CPUS_ON_NODE"))
    if cpu is not None and tasks > 1:
        cpu = _number(environ.get("SLURM_CPUS_PER_TASK")) or max(1, cpu // tasks)
    return Allocation(
        job=job,
        cpu=cpu or None,
        memory=_memory(environ, cpu, tasks),
        devices=_devices(environ),
        labels=frozenset(_labels(environ)),
        ends_at=_number(environ.get("SLURM_JOB_END_TIME")),
    )


def _tasks_here(environ: Mapping[str, str]) -> int:
    """Return how many tasks share what the step has on this node: 1 for a batch script."""
    if not environ.get("SLURM_STEP_ID", "").isdecimal():
        return 1
    counts = [
        int(count)
        for text in environ.get("SLURM_STEP_TASKS_PER_NODE", "1").split(",")
        if (found := re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", text))
        for count in [found[1]] * int(found[2] or 1)
    ]
    node = _number(environ.get("SLURM_NODEID")) or 0
    return max(1, counts[node]) if node < len(counts) else 1


def _memory(environ: Mapping[str, str], cpu: int | None, tasks: int) -> int | None:
    of_node = _number(environ.get("SLURM_MEM_PER_NODE"))
    if of_node:
        return of_node * MEBIBYTE // tasks
    of_cpu = _number(environ.get("SLURM_MEM_PER_CPU"))
    return of_cpu * MEBIBYTE * cpu if of_cpu and cpu else None


def _devices(environ: Mapping[str, str]) -> tuple[str, ...]:
    for name in (*VISIBLE, *GIVEN):
        if name in environ:
            ids = [each.strip() for each in environ[name].split(",")]
            return tuple(dict.fromkeys(each for each in ids if each not in NONE))
    return ()


def _labels(environ: Mapping[str, str]) -> list[str]:
    named = {"slurm-partition": "SLURM_JOB_PARTITION", "slurm-node": "SLURMD_NODENAME"}
    return [f"{label}={environ[name]}" for label, name in named.items() if environ.get(name)]


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None
