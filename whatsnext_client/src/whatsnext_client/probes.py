"""What this machine has, as all installed probes together say.

Probes add up: CPUs and memory are the smallest that any of them reports, devices and labels all of them. A probe that
fails or hangs costs a warning and contributes nothing. Those that found devices are asked again while a worker runs,
since others may use a device later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from whatsnext_core.model import Capacity, Device
from whatsnext_core.plugins import Plugins
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
        settings = load_plugin_config(name, provided.descriptor.config, config=config)
        make = partial(provided.descriptor.factory, settings)
        asked[name] = _Question(name, provided.source, lambda make=make: make().measure())  # type: ignore[misc]
    _await(asked.values(), patience)
    for question in asked.values():
        if question.answer is None:
            warn(f"{question.trouble(patience)}; what it measures is left out.")
    return {name: question.answer for name, question in asked.items() if question.answer is not None}


def combine(measurements: Iterable[Measurement]) -> Measurement:
    """Return what several measurements say together.

    A probe that only numbers devices, as a batch system does, adds none to those that others know by their kind.
    """
    each = list(measurements)
    devices: dict[str, Device] = {}
    users: dict[str, tuple[int, ...]] = {}
    known = any(device.kind for one in each for device in one.devices)
    for one in each:
        for device in one.devices:
            if device.id not in devices and (device.kind or not known):
                devices[device.id] = device
                users |= {device.id: one.users[device.id]} if device.id in one.users else {}
    fewest = min((one for one in each if one.cpu is not None), key=lambda one: one.cpu or 0, default=Measurement())
    return Measurement(
        cpu=fewest.cpu,
        cpu_ids=fewest.cpu_ids,
        memory=_least(one.memory for one in each),
        devices=tuple(devices.values()),
        users=users,
        labels=frozenset(label for one in each for label in one.labels),
        ends_at=min((one.ends_at for one in each if one.ends_at is not None), default=None),
    )


def offer(found: Measurement) -> Capacity:
    """Return what a worker on this machine offers: all that was found, or one CPU if nothing was."""
    cpu = 1 if found.cpu is None else found.cpu
    return Capacity(cpu=cpu, memory=found.memory, devices=found.devices, labels=frozenset(found.labels))


class Watch:
    """Measures the devices of this machine again and again, with the probes that found them.

    A probe that fails or hangs counts as one that sees no change, and costs one warning until it answers again.

    Args:
        plugins: The plugins with the probes.
        found: What they found at first.
        config: The config file; None for those that are found.
        patience: Seconds that all probes together may take.
        warn: Called with a sentence about a probe that does not answer.

    Raises:
        ConfigurationError: the ``[plugins.<name>]`` section of a probe is wrong.
    """

    def __init__(
        self,
        plugins: Plugins,
        found: Mapping[str, Measurement],
        *,
        config: str | Path | None = None,
        patience: float = PATIENCE,
        warn: Callable[[str], object],
    ) -> None:
        self._last = {name: measurement for name, measurement in found.items() if measurement.devices}
        self._patience = patience
        self._warn = warn
        self._asked: dict[str, _Question] = {}
        self._silent: set[str] = set()
        self._probes = {}
        for name, provided in plugins.probes().items():
            if name in self._last:
                settings = load_plugin_config(name, provided.descriptor.config, config=config)
                self._probes[name] = (provided.source, provided.descriptor.factory(settings))

    def measure(self) -> Measurement:
        """Return how the devices stand now."""
        for name, (source, probe) in self._probes.items():
            if name not in self._asked or self._asked[name].is_over:
                self._asked[name] = _Question(name, source, probe.measure)
        _await(self._asked.values(), self._patience)
        for name, question in self._asked.items():
            if question.answer is not None:
                self._last[name] = question.answer
                self._silent.discard(name)
            elif name not in self._silent:
                self._silent.add(name)
                self._warn(f"{question.trouble(self._patience)}; its devices count as they were.")
        return combine(self._last.values())


class _Question:
    """One probe, asked in a thread of its own that nobody waits for when it hangs."""

    def __init__(self, name: str, source: object, measure: Callable[[], object]) -> None:
        self.answer: Measurement | None = None
        self._who = f"The probe {name!r} of {source}"
        self._trouble = ""
        self._measure = measure
        self._thread = threading.Thread(target=self._ask, name=f"probe {name}", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be expected of it."""
        return not self._thread.is_alive()

    def join(self, patience: float) -> None:
        """Waits for the answer."""
        self._thread.join(patience)

    def trouble(self, patience: float) -> str:
        """Return why there is no answer."""
        return f"{self._who} {self._trouble or f'did not answer within {patience:g} seconds'}"

    def _ask(self) -> None:
        try:
            answer: object = self._measure()
        except Exception as error:  # noqa: BLE001 - the boundary to code of strangers
            self._trouble = f"failed ({type(error).__name__}: {error})"
            return
        if isinstance(answer, Measurement):
            self.answer = answer
        else:
            self._trouble = f"answered {answer!r:.60} instead of a Measurement"


def _await(questions: Iterable[_Question], patience: float) -> None:
    deadline = time.monotonic() + patience
    for question in questions:
        question.join(max(0.0, deadline - time.monotonic()))


def _least(values: Iterable[N | None]) -> N | None:
    return min((value for value in values if value is not None), default=None)
