"""The settings of the plugin: ``[plugins.storage-sql]``."""

from __future__ import annotations

from attrs import field, frozen, validators


@frozen(kw_only=True)
class SQLConfig:
    """How the database is opened."""

    upgrade: bool | None = None
    """Whether opening brings an older schema up to date; None does so only for a new, empty SQLite file."""
    readers: int = field(default=8, validator=validators.in_(range(1, 101)))
    """Connections that read at the same time without waiting; as many again are opened under load."""
    busy_timeout: float = field(default=30.0, validator=[validators.ge(0.0), validators.le(3600.0)])
    """Seconds to wait for another process that writes to the same SQLite file."""
    check_after: float = field(default=1.0, validator=[validators.ge(0.0), validators.le(3600.0)])
    """Seconds after which an unused connection to PostgreSQL is checked before it is used, and replaced if it broke."""
