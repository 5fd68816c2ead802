"""Reads the GPUs of this machine off NVML, the library of NVIDIA's driver."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import pynvml

from whatsnext_probe_nvidia.cards import Card, Unit

T = TypeVar("T")

UNSUPPORTED: Final = (
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_NO_PERMISSION,
)
"""What NVML answers if a card or a driver has no such thing, or tells only root of it."""


_LOCK: Final = threading.Lock()
"""Held while NVML is open: its Python binding counts those who have opened it in a way that threads disturb."""


class NvmlError(Exception):
    """The driver does not tell what there is."""


def read_cards(complain: Callable[[str], object]) -> list[Card] | None:
    """Return the cards of this machine in the order of their numbers; None on a machine without NVML.

    A card that the driver has lost costs a complaint, and counts as one on which nothing can be computed.

    Raises:
        NvmlError: there is NVML, and it answers with an error.
    """
    try:
        with _LOCK, _opened() as found:
            return [_card(index, complain) for index in range(pynvml.nvmlDeviceGetCount())] if found else None
    except pynvml.NVMLError as error:
        raise NvmlError(f"NVML, the library of NVIDIA's driver: {error}") from error


@contextmanager
def _opened() -> Iterator[bool]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        yield False
        return
    try:
        yield True
    finally:
        pynvml.nvmlShutdown()


def _card(index: int, complain: Callable[[str], object]) -> Card:
    uuid = ""
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        uuid = pynvml.nvmlDeviceGetUUID(handle)
        return Card(uuid=uuid, units=tuple(_unit(each) for each in _computing(handle)))
    except pynvml.NVMLError as error:
        complain(f"GPU {uuid or index} is left out, since NVML says of it: {error}.")
        return Card(uuid=uuid, units=())


def _computing(handle: Any) -> Iterator[Any]:
    """Yield what of a card can be computed on: itself or, if it is divided, its MIG instances."""
    current, _ = _if_supported(lambda: pynvml.nvmlDeviceGetMigMode(handle), (pynvml.NVML_DEVICE_MIG_DISABLE, 0))
    if current != pynvml.NVML_DEVICE_MIG_ENABLE:
        yield handle
        return
    for index in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            yield pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
        except pynvml.NVMLError_NotFound:
            continue


def _unit(handle: Any) -> Unit:
    processes: list[Any] = _if_supported(lambda: pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle), [])
    return Unit(
        uuid=pynvml.nvmlDeviceGetUUID(handle),
        name=pynvml.nvmlDeviceGetName(handle),
        memory=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
        users=tuple(sorted({int(each.pid) for each in processes} - {os.getpid()})),
    )


def _if_supported(ask: Callable[[], T], otherwise: T) -> T:
    try:
        return ask()
    except pynvml.NVMLError as error:
        if error.value in UNSUPPORTED:
            return otherwise
        raise
