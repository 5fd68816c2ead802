"""The checksums of files that are being sent."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from whatsnext_core.errors import NotFoundError

Read: TypeAlias = Callable[[int, int], Awaitable[bytes]]

REMEMBERED: Final = 1_000
"""Files that are being sent whose checksums are carried on; of others the bytes are read back at the end."""


class Checksums:
    """The checksums of files that are being sent, as far as their bytes passed here.

    What counts is what the database has. So a piece is taken in only after its commit and only where it follows on the
    last one; whatever is missing at the end (a restart, another server) is read back.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, Any]] = {}

    async def take_in(self, upload_id: int, offset: int, data: bytes) -> None:
        """Take in a piece that was written at an offset."""
        if offset == 0:
            self._known[upload_id] = (0, hashlib.sha256())
        known = self._known.get(upload_id)
        if known is not None and known[0] == offset:
            del self._known[upload_id]
            await asyncio.to_thread(known[1].update, data)
            self._remember(upload_id, offset + len(data), known[1])

    async def digest(self, upload_id: int, size: int, read: Read) -> str:
        """Return the checksum of a file of which ``size`` bytes are there; ``read`` gives those from an offset on."""
        offset, checksum = self._known.pop(upload_id, (0, None))
        checksum = checksum or hashlib.sha256()
        while offset < size:
            data = await read(upload_id, offset)
            if not data:
                raise NotFoundError(f"Artifact with number {upload_id} not found any more; send it anew.")
            await asyncio.to_thread(checksum.update, data)
            offset += len(data)
            self._remember(upload_id, offset, checksum.copy())
        self._known.pop(upload_id, None)
        return str(checksum.hexdigest())

    def _remember(self, upload_id: int, offset: int, checksum: Any) -> None:
        self._known[upload_id] = (offset, checksum)
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]


__all__ = ["Checksums"]
