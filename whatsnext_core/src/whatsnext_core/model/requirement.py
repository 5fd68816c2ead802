"""What a task needs of the machine that runs it."""

from __future__ import annotations

import json

from attrs import field, frozen

from whatsnext_core.errors import InvalidError
from whatsnext_core.model import limits

ROUNDING = 1e-6
"""How far a number of thousandths may be from a whole one, being a float."""


def _check_accelerators(_: object, __: object, value: float) -> None:
    limits.check_number(value, "number of required accelerators", low=0, high=limits.MAX_ACCELERATORS)
    if value > 1 and value != int(value):
        raise InvalidError(f"The number of required accelerators is {value}; above 1 it must be a whole number.")
    if abs(value * 1000 - round(value * 1000)) > ROUNDING:
        raise InvalidError(f"The number of required accelerators is {value}; shares go in steps of 0.001.")


@frozen(kw_only=True)
class Requirement:
    """The CPUs, accelerators, memory and labels that a client must offer to run a job.

    Equal requirements are interned: the queue keeps one line for each distinct requirement (its *class*), so that a
    claim looks at the heads of the lines and never at the jobs behind them.
    """

    cpu: int = field(default=1)
    """CPUs, whole; 0 for a job that only waits or talks."""
    accelerators: float = field(default=0, converter=float, validator=_check_accelerators)
    """Accelerators: a whole number, or a share of one device in steps of 0.001 (0.5 lets two jobs share)."""
    memory: int = field(default=0)
    """Main memory in bytes; 0 asks for none in particular."""
    accelerator_kind: str = field(default="")
    """A part of the device's name, in any case ("a100"); empty takes any."""
    accelerator_memory: int = field(default=0)
    """Memory in bytes that each of the devices has at least."""
    labels: frozenset[str] = field(default=frozenset(), converter=limits.as_labels)
    """Labels (``name`` or ``name=value``) that the client carries, all of them."""

    @cpu.validator
    def _check_cpu(self, _: object, value: int) -> None:
        limits.check_number(value, "number of required CPUs", low=0, high=limits.MAX_CPU)

    @memory.validator
    def _check_memory(self, _: object, value: int) -> None:
        limits.check_number(value, "required memory", low=0, high=limits.MAX_MEMORY, unit="bytes")

    @accelerator_memory.validator
    def _check_accelerator_memory(self, _: object, value: int) -> None:
        limits.check_number(value, "required accelerator memory", low=0, high=limits.MAX_MEMORY, unit="bytes")

    @accelerator_kind.validator
    def _check_kind(self, _: object, value: str) -> None:
        if value:
            limits.check_name(value, "kind of accelerator")

    @labels.validator
    def _check_labels(self, _: object, value: frozenset[str]) -> None:
        limits.check_labels(value, "the required labels")

    @property
    def accelerator_millis(self) -> int:
        """The accelerators in thousandths of a device, exact."""
        return round(self.accelerators * 1000)

    @property
    def key(self) -> str:
        """Return the canonical text of this requirement; equal requirements have equal keys."""
        return json.dumps(
            [
                self.cpu,
                self.accelerator_millis,
                self.memory,
                self.accelerator_kind.casefold(),
                self.accelerator_memory,
                sorted(self.labels),
            ],
            separators=(",", ":"),
        )

    def describe(self) -> str:
        """Return the requirement as words: ``2 CPUs, 1 accelerator (a100), 4.0 GiB of memory``."""
        parts = [f"{self.cpu} CPU{'s' * (self.cpu != 1)}"]
        if self.accelerators:
            what = " ".join(
                part
                for part in (self.accelerator_kind, self.accelerator_memory and _gib(self.accelerator_memory))
                if part
            )
            plural = "s" * (self.accelerators > 1)
            parts.append(f"{self.accelerators:g} accelerator{plural}" + (f" ({what})" if what else ""))
        if self.memory:
            parts.append(f"{_gib(self.memory)} of memory")
        if self.labels:
            parts.append("labels " + ", ".join(sorted(self.labels)))
        return ", ".join(parts)


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
