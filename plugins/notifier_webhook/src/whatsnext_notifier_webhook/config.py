"""The settings of the plugin: ``[plugins.webhook]``."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import attrs
from attrs import field, frozen
from typed_settings.types import SecretStr

from whatsnext_core.errors import ConfigurationError, InvalidError
from whatsnext_core.model import EventKind
from whatsnext_core.model.limits import shorten
from whatsnext_notifier_webhook.signing import key_of

SHORTEST_SECRET = 16
"""Characters that a secret has at least."""


def _check_url(_: object, __: object, url: str) -> None:
    """Refuse what is no address of a receiver; the URL is not shown, for a part of it may be secret."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    else:
        if usable and parts.username is not None:
            raise ConfigurationError("url names a user; remove that, for it is sent nowhere: requests are signed.")
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError("url is no address; write it as https://host/path, in ASCII, http:// or https://.")


def _check_secret(_: object, __: object, secret: SecretStr) -> None:
    if len(secret) < SHORTEST_SECRET:
        raise ConfigurationError(
            f"secret has {len(secret)} characters; give it at least {SHORTEST_SECRET}, for instance what "
            f"`python -c 'import secrets; print(secrets.token_urlsafe(32))'` prints."
        )
    try:
        key_of(str(secret))
    except ValueError as error:
        raise ConfigurationError("secret begins with whsec_, but what follows is no base64.") from error


def _check_kinds(_: object, __: object, kinds: tuple[str, ...]) -> None:
    for kind in kinds:
        try:
            EventKind.parse(kind)
        except InvalidError as error:
            raise ConfigurationError(f"events: {error}") from error


def _check_projects(_: object, __: object, projects: tuple[int, ...]) -> None:
    for project in projects:
        if project < 1:
            raise ConfigurationError(f"projects names {shorten(project)}; the ids of projects begin at 1.")


def _between(low: float, high: float) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: float) -> None:
        if not low <= value <= high:
            raise ConfigurationError(f"{attribute.name} is {value}; it must be from {low:g} to {high:g}.")

    return check


@frozen(kw_only=True)
class WebhookConfig:
    """Where events are sent, and which."""

    url: str = field(validator=_check_url, repr=False)
    """Where to, ``http://`` or ``https://``; it must answer 2xx, and redirects are not followed."""
    secret: SecretStr = field(validator=_check_secret)
    """What requests are signed with, at least 16 characters; after ``whsec_`` it is read as base64."""
    events: tuple[str, ...] = field(default=(), validator=_check_kinds)
    """Kinds of events to tell of; none for all."""
    projects: tuple[int, ...] = field(default=(), validator=_check_projects)
    """Ids of the projects whose events to tell of; none for all."""
    timeout: float = field(default=10.0, validator=_between(0.05, 300))
    """Seconds to wait for the connection, and then for each part of the answer."""
    batch: int = field(default=100, validator=_between(1, 1_000))
    """The most events of one request."""

    @property
    def kinds(self) -> frozenset[EventKind]:
        """The kinds of events to tell of; empty for all."""
        return frozenset(map(EventKind.parse, self.events))
