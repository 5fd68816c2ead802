"""The notifier: a batch of events becomes one HTTP request, which counts once it was answered with 2xx."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from whatsnext_core.converters import to_json
from whatsnext_core.errors import WhatsNextError
from whatsnext_core.model import Event
from whatsnext_notifier_webhook.config import WebhookConfig
from whatsnext_notifier_webhook.signing import sign

LONGEST_ANSWER: Final = 200
"""Bytes of a refusal that are read, for the message."""


class WebhookError(WhatsNextError):
    """The receiver could not be reached, or did not take the events."""


class Webhook:
    """Sends events to a URL. What it raises names the receiver's host only: the rest of a URL may be secret."""

    def __init__(self, config: WebhookConfig) -> None:
        self._config = config
        self._kinds = config.kinds
        self._host = urlsplit(config.url).hostname
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=1,
            retries=False,
            timeout=urllib3.Timeout(connect=config.timeout, read=config.timeout),
            headers={"User-Agent": "whatsnext-notifier-webhook"},
        )

    @property
    def batch(self) -> int:
        """The most events of one call."""
        return self._config.batch

    def notify(self, events: Sequence[Event]) -> None:
        """Send those of the events that are wanted, in one request; nothing is sent if none is.

        Raises:
            WebhookError: the receiver did not answer with 2xx.
        """
        wanted = [event for event in events if self._wants(event)]
        if wanted:
            self._post(encode(wanted), id_of(wanted))

    def close(self) -> None:
        """Close the connection."""
        self._pool.clear()

    def _wants(self, event: Event) -> bool:
        of_project = not self._config.projects or event.project_id in self._config.projects
        return of_project and (not self._kinds or event.kind in self._kinds)

    def _post(self, body: bytes, message_id: str) -> None:
        headers = sign(str(self._config.secret), message_id, body, now=time.time())
        headers |= {"Content-Type": "application/json", "User-Agent": "whatsnext-notifier-webhook"}
        try:
            response = self._pool.request(
                "POST", self._config.url, body=body, headers=headers, redirect=False, preload_content=False
            )
        except (HTTPError, OSError) as error:
            raise WebhookError(f"The receiver at {self._host} cannot be reached: {_reason(error)}.") from None
        try:
            self._check(response)
        finally:
            response.release_conn() if response.length_remaining == 0 else response.close()

    def _check(self, response: urllib3.BaseHTTPResponse) -> None:
        status = response.status
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise WebhookError(
                f"The receiver at {self._host} answered {status}, a redirect, which is not followed; set the url to "
                f"where it leads."
            )
        raise WebhookError(f"The receiver at {self._host} answered {status}{_words(response)}.")


def encode(events: Sequence[Event]) -> bytes:
    """Return the body of a request: JSON in ASCII."""
    return json.dumps({"events": to_json(list(events))}, separators=(",", ":")).encode()


def id_of(events: Sequence[Event]) -> str:
    """Return what a request with these events is called, whenever it is sent."""
    told = ";".join(f"{event.id} {event.at.isoformat()}" for event in events)
    return f"whatsnext-{events[0].id}-{events[-1].id}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def _words(response: urllib3.BaseHTTPResponse) -> str:
    """Return the beginning of what a receiver said with its refusal, if that is text."""
    try:
        text = response.read(LONGEST_ANSWER, decode_content=False).decode("utf-8", errors="ignore")
    except (HTTPError, OSError):
        return ""
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return f": {text}" if text else ""


def _reason(error: Exception) -> str:
    """Return why a connection failed, in a few words, without the URL."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
    return type(error).__name__
