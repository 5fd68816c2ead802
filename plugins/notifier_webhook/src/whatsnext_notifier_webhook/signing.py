"""Signatures: that a request comes from who knows the secret, is whole, and is of now.

What is signed is ``<id>.<timestamp>.<body>``, with HMAC-SHA256, in base64 behind ``v1,``: the way of "Standard
Webhooks".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Final

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
PREFIX: Final = "whsec_"
"""What a secret begins with that is written in base64."""
TOLERANCE: Final = 300.0
"""Seconds by which the clocks of both sides, and the way between them, may differ."""


class SignatureError(ValueError):
    """A request is not what the owner of the secret sent now."""


def sign(secret: str, message_id: str, body: bytes, *, now: float) -> dict[str, str]:
    """Return the headers that sign a body: its id, the time in seconds since 1970, and the signature."""
    timestamp = str(int(now))
    return {ID: message_id, TIMESTAMP: timestamp, SIGNATURE: f"v1,{_signature(secret, message_id, timestamp, body)}"}


def verify(
    secret: str, headers: Mapping[str, str], body: bytes, *, now: float | None = None, tolerance: float = TOLERANCE
) -> None:
    """Return if a request is genuine, whole and of now; compared in constant time.

    Args:
        secret: What both sides know.
        headers: Those of the request, by names in any case.
        body: Its body as it came, before it is read as JSON.
        now: Seconds since 1970; None for this machine's clock.
        tolerance: Seconds by which the time of the request may differ from now.

    Raises:
        SignatureError: it is not.
    """
    found = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if name not in found]
    if missing:
        raise SignatureError(f"The request has no {', '.join(missing)}; it is not signed.")
    timestamp = found[TIMESTAMP]
    if not timestamp.isascii() or not timestamp.isdigit():
        raise SignatureError(f"The {TIMESTAMP} of the request is no number of seconds.")
    if abs((time.time() if now is None else now) - int(timestamp)) > tolerance:
        raise SignatureError(f"The request is more than {tolerance:g} seconds old, or the clocks differ.")
    expected = _signature(secret, found[ID], timestamp, body).encode()
    for each in found[SIGNATURE].split():
        version, _, signature = each.partition(",")
        if version == "v1" and hmac.compare_digest(signature.encode(), expected):
            return
    raise SignatureError("The signature does not fit: another secret, or the request was changed on its way.")


def key_of(secret: str) -> bytes:
    """Return the key that a secret stands for; ValueError if it begins with ``whsec_`` and goes on otherwise."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    content = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key_of(secret), content, hashlib.sha256).digest()).decode()
