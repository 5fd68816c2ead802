"""What SIGTERM and SIGINT do while no web server listens to them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

ENDING: Final = (signal.SIGTERM, signal.SIGINT)
"""The signals that ask a server to end."""


@contextmanager
def ending_by_signal() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the block with the exit status 0, also while no web server listens to them."""
    before = {number: signal.signal(number, lambda *_: sys.exit(0)) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["ENDING", "ending_by_signal"]
