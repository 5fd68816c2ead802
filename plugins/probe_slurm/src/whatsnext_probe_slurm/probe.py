"""The probe of allocations of Slurm."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from whatsnext_core.model import Device
from whatsnext_core.probing import Measurement
from whatsnext_probe_slurm.allocation import Allocation, read_allocation

PATIENCE: Final = 5.0
"""Seconds that Slurm may take to say when an allocation ends."""

_log = logging.getLogger(__name__)


class SlurmProbe:
    """Reports what the allocation that this process runs in gives it on its node, and when that ends.

    Outside of an allocation it says nothing. A Slurm that does not tell the end in time costs a warning: everything
    else is known from the environment.

    Args:
        environ: The environment of the process; None for its own.
        patience: Seconds that Slurm may take to say when the allocation ends.
    """

    def __init__(self, environ: Mapping[str, str] | None = None, *, patience: float = PATIENCE) -> None:
        self._environ = os.environ if environ is None else environ
        self._patience = patience

    def measure(self) -> Measurement:
        """Return CPUs, memory, devices, labels and the end of the allocation."""
        found = read_allocation(self._environ)
        if found is None:
            return Measurement()
        return Measurement(
            cpu=found.cpu,
            memory=found.memory,
            devices=tuple(Device(id=each) for each in found.devices),
            labels=found.labels,
            ends_at=self._end(found),
        )

    def _end(self, found: Allocation) -> datetime | None:
        seconds = found.ends_at
        if seconds is None:
            try:
                seconds = self._ask(found.job)
            except (OSError, subprocess.SubprocessError, ValueError) as error:
                _log.warning(
                    "Slurm does not say when job %s ends (%s), so the worker cannot leave before that.",
                    found.job,
                    _words(error),
                )
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    def _ask(self, job: str) -> int | None:
        """Return when a job ends, in seconds since 1970; None for one without a limit."""
        done = subprocess.run(
            ["squeue", "--noheader", f"--jobs={job}", "--format=%e"],
            env={**self._environ, "SLURM_TIME_FORMAT": "%s"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=self._patience,
        )
        told = done.stdout.split()
        return None if not told or told[0] in {"N/A", "Unknown", "UNLIMITED", "NONE"} else int(told[0])


def _words(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return " ".join(str(error.stderr).split()) or f"squeue ended with exit code {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"squeue did not answer within {error.timeout:g} seconds"
    return str(error)
