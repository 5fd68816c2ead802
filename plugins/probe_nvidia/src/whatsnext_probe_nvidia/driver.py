"""Whether this machine has NVIDIA's driver."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

LIBRARY: Final = "libnvidia-ml.so.1"
"""NVML, which comes with the driver, by the name that its Python binding loads it by."""


def is_installed() -> bool:
    """Return whether NVML can be loaded; on Windows, where it has no fixed place, only its binding knows that.

    The binding itself takes long to import, and most machines have no such GPU.
    """
    if sys.platform == "win32":
        return True
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return True
