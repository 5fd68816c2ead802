"""The limits that control groups of Linux, of both versions, set for this process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from attrs import frozen

UNLIMITED: Final = 2**60
"""Bytes from which on a limit is none: version 1 writes a number near 2**63 for it."""


@frozen(kw_only=True)
class Limits:
    """What the control groups leave of the machine."""

    cpu: float | None = None
    """CPU time per time, in CPUs; None for no limit."""
    memory: int | None = None
    """Bytes; None for no limit."""


@frozen(kw_only=True)
class _Mount:
    """A mounted hierarchy of control groups."""

    controllers: frozenset[str]
    """The controllers of version 1 that it has; empty for version 2."""
    group: PurePosixPath
    """The group that is its root."""
    folder: Path
    """Where it is mounted."""


def read_limits(root: Path = Path("/")) -> Limits:
    """Return the tightest limits of this process's groups and those above them; none where there are no groups."""
    try:
        memberships = (root / "proc/self/cgroup").read_text().splitlines()
        mounts = list(_mounts(root))
    except OSError:
        return Limits()
    cpu: list[float] = []
    memory: list[int] = []
    for line in memberships:
        _, controllers, group = line.split(":", 2)
        for folder in _folders(mounts, frozenset(filter(None, controllers.split(","))), PurePosixPath(group)):
            cpu += _cpu_limits(folder)
            memory += _memory_limits(folder)
    return Limits(cpu=min(cpu, default=None), memory=min(memory, default=None))


def _mounts(root: Path) -> Iterator[_Mount]:
    for line in (root / "proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        kind, _, options = fields[fields.index("-") + 1 :][:3]
        if kind in ("cgroup", "cgroup2"):
            yield _Mount(
                controllers=frozenset(options.split(",")) if kind == "cgroup" else frozenset(),
                group=PurePosixPath(_plain(fields[3])),
                folder=root / _plain(fields[4]).lstrip("/"),
            )


def _folders(mounts: list[_Mount], controllers: frozenset[str], group: PurePosixPath) -> Iterator[Path]:
    """Yield the folder of a group and those above it, as far as they can be seen here.

    A container sees its own group as the root of the mount, although its path may be told as the host sees it.
    """
    for mount in mounts:
        if mount.controllers >= controllers and bool(mount.controllers) == bool(controllers):
            inside = group.relative_to(mount.group) if group.is_relative_to(mount.group) else PurePosixPath()
            folder = mount.folder / inside
            yield from (folder, *list(folder.parents)[: len(inside.parts)])
            return


def _cpu_limits(folder: Path) -> Iterator[float]:
    match _words(folder / "cpu.max"):
        case [quota, period] if quota != "max":
            yield int(quota) / int(period)
    match _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us"):
        case [quota], [period] if int(quota) > 0:
            yield int(quota) / int(period)


def _memory_limits(folder: Path) -> Iterator[int]:
    for name in ("memory.max", "memory.limit_in_bytes"):
        match _words(folder / name):
            case [limit] if limit != "max" and int(limit) < UNLIMITED:
                yield int(limit)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def _plain(text: str) -> str:
    """Return a path of ``mountinfo``, in which blanks and the like are written as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
