"""The settings of the server: their names, defaults and limits."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
from attrs import field, frozen
from typed_settings.types import SecretStr

from whatsnext_core.errors import ConfigurationError
from whatsnext_core.settings import load_settings

SECTION: Final = "server"
"""The table of the config files that holds these settings."""
LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
LOG_FORMATS: Final = ("text", "json")
MIB: Final = 2**20


def data_directory(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder of the user's data, where the default database lies."""
    environment = os.environ if environ is None else environ
    home = Path(environment.get("HOME") or Path.home())
    if sys.platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "whatsnext"


def default_database() -> str:
    """Return the URL of the SQLite file in the folder of the user's data."""
    return f"sqlite:///{(data_directory() / 'whatsnext.db').as_posix()}"


def _between(low: float, high: float) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: float) -> None:
        if not low <= value <= high:
            raise ConfigurationError(f"{attribute.name} is {value}; it must be from {low:g} to {high:g}.")

    return check


def _one_of(*allowed: str) -> Any:
    def check(_: object, attribute: attrs.Attribute[Any], value: str) -> None:
        if value not in allowed:
            raise ConfigurationError(f"{attribute.name} is {value!r}; use one of {', '.join(allowed)}.")

    return check


def _lower(text: str) -> str:
    return text.lower()


def _as_keys(keys: str | Iterable[str]) -> tuple[SecretStr, ...]:
    """Return the keys of a text that separates them by commas, or of a list."""
    several = [key.strip() for key in keys.split(",") if key.strip()] if isinstance(keys, str) else keys
    return tuple(map(SecretStr, several))


def _check_keys(_: object, __: object, keys: tuple[SecretStr, ...]) -> None:
    for number, key in enumerate(keys, 1):
        if not key or not key.isascii() or not key.isprintable() or key != key.strip():
            raise ConfigurationError(
                f"API key number {number} (not shown) must be printable ASCII characters without blanks at the ends: "
                f"it travels in a header."
            )


@frozen(kw_only=True)
class ServerSettings:
    """The settings of one server process."""

    host: str = "127.0.0.1"
    """Address to listen on; ``0.0.0.0`` for all IPv4 interfaces of the machine."""
    port: int = field(default=8000, validator=_between(0, 65_535))
    """TCP port to listen on; 0 takes a free one."""
    database: str = field(factory=default_database, repr=False)
    """URL of the database, ``sqlite:///q.db`` or ``postgresql://user:password@host/name``."""
    database_wait_seconds: float = field(default=60.0, validator=_between(0, 86_400))
    """Seconds that the start waits for a database that cannot be reached, starts or recovers; 0 waits for none."""
    processes: int = field(default=1, validator=_between(1, 256))
    """Processes that serve at this address together, on PostgreSQL; as many as the machine has CPUs is a good start."""
    api_keys: tuple[SecretStr, ...] = field(default=(), converter=_as_keys, validator=_check_keys)
    """Keys of which clients send one as ``X-API-Key``; without any the server is open to whoever reaches it."""
    cors_origins: tuple[str, ...] = field(default=())
    """Origins whose pages may call the API from a browser (``https://queue.example.org``, or ``*`` for all)."""
    rate_limit_per_minute: int = field(default=0, validator=_between(0, 10_000_000))
    """Requests a minute for each key, or for each address that sends none; 0 sets no limit."""
    max_request_bytes: int = field(default=4 * MIB, validator=_between(1024, 2**40))
    """Bytes of a request's body, at most; log chunks and sync requests included."""
    max_batch_bytes: int = field(default=256 * MIB, validator=_between(1024, 2**40))
    """Bytes of the body of a batch of jobs, at most."""
    max_artifact_bytes: int = field(default=1024 * MIB, validator=_between(0, 2**50))
    """Bytes of one artifact, at most; 0 takes none."""
    lease_seconds: float = field(default=90.0, validator=_between(1, 86_400))
    """Seconds after which a job of a silent worker returns to the queue."""
    renew_seconds: float = field(default=20.0, validator=_between(0.1, 3600))
    """Seconds after which a worker shall report at the latest; well below ``lease_seconds``."""
    reserve_after_seconds: float = field(default=300.0, validator=_between(0, 10**9))
    """Seconds that a job which fits only a whole client waits before that client is drained for it."""
    log_head_bytes: int = field(default=4 * MIB, validator=_between(0, 2**40))
    """Bytes kept from the beginning of each output stream of an attempt."""
    log_tail_bytes: int = field(default=4 * MIB, validator=_between(0, 2**40))
    """Bytes kept from the end of each output stream of an attempt."""
    reap_seconds: float = field(default=1.0, validator=_between(0.01, 3600))
    """Seconds between two looks for lapsed leases and other work that is due, at the most."""
    upgrade: bool = field(default=False)
    """Whether an older or empty database is brought up to date at the start; a new SQLite file always is."""
    retention_days: float = field(default=0.0, validator=_between(0, 36_500))
    """Days that ended jobs are kept with their attempts, logs and events; 0 keeps them for ever."""
    notifiers: tuple[str, ...] = field(default=())
    """Names of the notifier plugins that are told of every event."""
    notifier_patience_days: float = field(default=7.0, validator=_between(0, 36_500))
    """Days that events outlive ``retention_days`` for a notifier that has not had them yet, at most."""
    readers: int = field(default=4, validator=_between(1, 256))
    """Threads that answer reading requests."""
    authenticators: tuple[str, ...] = field(default=())
    """Names of the authenticator plugins that may let a request in, besides the API keys."""
    routers: tuple[str, ...] = field(default=())
    """Names of the router plugins whose endpoints are served."""
    disabled_plugins: tuple[str, ...] = field(default=())
    """Plugins that are not even imported, by name or distribution."""
    log_level: str = field(default="info", converter=_lower, validator=_one_of(*LOG_LEVELS))
    """What is logged: ``debug`` (each request too), ``info``, ``warning``, ``error`` or ``critical``."""
    log_format: str = field(default="text", converter=_lower, validator=_one_of(*LOG_FORMATS))
    """How it is logged: ``text`` for people, ``json`` for machines, one object a line."""

    def __attrs_post_init__(self) -> None:
        if self.renew_seconds * 2 > self.lease_seconds:
            raise ConfigurationError(
                f"renew_seconds is {self.renew_seconds:g} and lease_seconds {self.lease_seconds:g}; "
                f"a lease must last for at least two renewals, else one lost message loses a job."
            )

    @property
    def absence_seconds(self) -> float:
        """Seconds without a server after which no lease lapses before a whole new one is over.

        A worker that reports every ``renew_seconds`` has at least ``lease_seconds - renew_seconds`` left when its
        server goes. A shorter absence leaves it half of that to be heard again.
        """
        return (self.lease_seconds - self.renew_seconds) / 2

    @property
    def is_open(self) -> bool:
        """Whether anybody who reaches the server may use it."""
        return not self.api_keys and not self.authenticators

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False


def load_server_settings(
    *, config: str | Path | None = None, overrides: Mapping[str, Any] | None = None
) -> ServerSettings:
    """Return the settings from defaults, config files, ``.env``, environment and ``overrides``; later ones win.

    Raises:
        ConfigurationError: a file or a value is malformed; the message says where.
    """
    return load_settings(ServerSettings, SECTION, config=config, overrides=overrides)


__all__ = ["SECTION", "ServerSettings", "data_directory", "default_database", "load_server_settings"]
