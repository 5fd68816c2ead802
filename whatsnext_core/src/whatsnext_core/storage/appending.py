"""What logs and artifacts have in common: bytes that are appended at an offset, by senders that repeat themselves."""

from __future__ import annotations

from whatsnext_core.errors import OffsetError


def resumption(offset: int, skipped: int, size: int) -> int:
    """Return where bytes sent for ``offset`` go on if their sender leaves out those ``skipped`` before them.

    That is ``offset`` if the ``size`` bytes that are there reach to where it began to leave out; else where they end.
    """
    return offset if offset - skipped <= size < offset else size


def unseen(data: bytes, offset: int, size: int, what: str, kind: type[OffsetError] = OffsetError) -> bytes:
    """Return which of the bytes, sent for ``offset``, are new where there are ``size`` already.

    Raises:
        OffsetError: they leave a gap; ``what`` names them in the sentence.
    """
    if offset > size:
        raise kind(f"Bytes for {what} were sent for offset {offset}, but there are {size}; go on at {size}.", size)
    return bytes(data[size - offset :])
