"""What this machine has, as all installed probes together say.

Probes add up: CPUs and memory are the smallest that any of them reports, devices and labels all of them. A probe that
fails or hangs costs a warning and contributes nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

from whatsnext_core.hookspecs import ProbePlugin
from whatsnext_core.model import Capacity, Device
from whatsnext_core.plugins import Plugins, Provided
from whatsnext_core.probing import Measurement
from whatsnext_core.settings import load_plugin_config

N = TypeVar("N", int, float)

PATIENCE: Final = 10.0
"""Seconds that all probes together may take."""


def measure(
    plugins: Plugins,
    *,
    config: str | Path | None = None,
    patience: float = PATIENCE,
    warn: Callable[[str], object],
) -> dict[str, Measurement]:
    """Return what each probe found, by the probe's name; the probes are asked at the same time.

    Raises:
        ConfigurationError: the ``[plugins.<name>]`` section of a probe is wrong.
    """
    asked = {}
    for name, provided in plugins.probes().items():
        asked[name] = _Question(provided, load_plugin_config(name, provided.descriptor.config, config=config))
    deadline = time.monotonic() + patience
    found = {}
    for name, question in asked.items():
        question.join(max(0.0, deadline - time.monotonic()))
        if question.answer is not None:
            found[name] = question.answer
        else:
            warn(f"The probe {name!r} of {question.source} {question.trouble(patience)}; what it measures is left out.")
    return found


def combine(measurements: Iterable[Measurement]) -> Measurement:
    """Return what several measurements say together."""
    each = list(measurements)
    devices: dict[str, Device] = {}
    for one in each:
        for device in one.devices:
            devices.setdefault(device.id, device)
    fewest = min((one for one in each if one.cpu is not None), key=lambda one: one.cpu or 0, default=Measurement())
    return Measurement(
        cpu=fewest.cpu,
        cpu_ids=fewest.cpu_ids,
        memory=_least(one.memory for one in each),
        devices=tuple(devices.values()),
        labels=frozenset(label for one in each for label in one.labels),
        ends_at=min((one.ends_at for one in each if one.ends_at is not None), default=None),
    )


def offer(found: Measurement) -> Capacity:
    """Return what a worker on this machine offers: all that was found, or one CPU if nothing was."""
    cpu = 1 if found.cpu is None else found.cpu
    return Capacity(cpu=cpu, memory=found.memory, devices=found.devices, labels=frozenset(found.labels))


class _Question:
    """One probe, asked in a thread of its own that nobody waits for when it hangs."""

    def __init__(self, provided: Provided[ProbePlugin], settings: object) -> None:
        self.source = provided.source
        self.answer: Measurement | None = None
        self._trouble = ""
        self._descriptor = provided.descriptor
        self._settings: Any = settings
        self._thread = threading.Thread(target=self._ask, name=f"probe {provided.descriptor.name}", daemon=True)
        self._thread.start()

    def join(self, patience: float) -> None:
        """Waits for the answer."""
        self._thread.join(patience)

    def trouble(self, patience: float) -> str:
        """Return why there is no answer."""
        return self._trouble or f"did not answer within {patience:g} seconds"

    def _ask(self) -> None:
        try:
            answer: object = self._descriptor.factory(self._settings).measure()
        except Exception as error:  # noqa: BLE001 - the boundary to code of strangers
            self._trouble = f"failed ({type(error).__name__}: {error})"
            return
        if isinstance(answer, Measurement):
            self.answer = answer
        else:
            self._trouble = f"answered {answer!r:.60} instead of a Measurement"


def _least(values: Iterable[N | None]) -> N | None:
    return min((value for value in values if value is not None), default=None)
