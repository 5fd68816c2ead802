"""Which CPUs each job runs on, where a worker pins its jobs: no CPU belongs to two jobs."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from whatsnext_core.errors import InvalidError


class Pins:
    """The CPUs that a worker deals out, by number; with none, it pins nothing."""

    def __init__(self, cpu_ids: Iterable[int]) -> None:
        self._all = frozenset(cpu_ids)
        self._free = set(self._all)

    def take(self, count: int) -> tuple[int, ...]:
        """Return so many CPUs that no other job has, the lowest numbers first; none where nothing is pinned."""
        taken = tuple(sorted(self._free)[:count])
        self._free.difference_update(taken)
        return taken

    def keep(self, cpu_ids: Collection[int]) -> None:
        """Take in that a job of an earlier process of this worker has these CPUs."""
        self._free.difference_update(cpu_ids)

    def give_back(self, cpu_ids: Collection[int]) -> None:
        """Take in that a job has ended that had these CPUs."""
        self._free |= self._all.intersection(cpu_ids)


def check_pins(cpu_ids: Collection[int], cpu: int) -> tuple[int, ...]:
    """Return the CPUs that jobs are pinned to, ascending; none if nothing is pinned.

    Args:
        cpu_ids: Their numbers.
        cpu: How many CPUs the worker offers.

    Raises:
        InvalidError: this is not Linux, this process may not use one of them, or they are fewer than it offers.
    """
    if not cpu_ids:
        return ()
    if not hasattr(os, "sched_getaffinity"):
        raise InvalidError("Jobs are pinned to CPUs on Linux only; leave that option out here.")
    usable = os.sched_getaffinity(0)
    if foreign := sorted(set(cpu_ids) - usable):
        raise InvalidError(
            f"Jobs cannot be pinned to CPU {foreign[0]}: this process may use {_numbers(usable)}; name only these."
        )
    if len(set(cpu_ids)) < cpu:
        raise InvalidError(
            f"A worker that pins its jobs needs as many CPUs as it offers: it offers {cpu}, and there are "
            f"{len(set(cpu_ids))} ({_numbers(cpu_ids)}); offer fewer, or do without pinning."
        )
    return tuple(sorted(set(cpu_ids)))


def _numbers(cpu_ids: Iterable[int]) -> str:
    """Return numbers as people write them: ``0-3,8``."""
    runs: list[list[int]] = []
    for number in sorted(set(cpu_ids)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
