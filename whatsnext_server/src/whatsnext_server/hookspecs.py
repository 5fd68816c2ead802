"""The hooks of the server: further endpoints, and further ways to let a request in.

Plugins register in the entry-point group ``whatsnext.server``. Each hook takes no arguments and returns an iterable of
frozen descriptors; what a descriptor's factory makes does the work. Nothing is served and nobody is let in by a plugin
that the configuration does not name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol, runtime_checkable

from attrs import frozen
from fastapi import APIRouter

from whatsnext_core.hookspecs import hookimpl, hookspec
from whatsnext_server.http.errors import ServerError

GROUP: Final = "whatsnext.server"
"""The entry-point group."""


class DeniedError(ServerError):
    """The credentials of a request are not valid here."""


@frozen(kw_only=True)
class Credentials:
    """What a request shows of itself."""

    headers: Mapping[str, str]
    """Its headers, names in lower case."""
    address: str
    """The address that it comes from; empty if unknown."""
    method: str
    """Its method."""
    path: str
    """Its path."""


@runtime_checkable
class Authenticator(Protocol):
    """Something that knows who may use the server."""

    def authenticate(self, credentials: Credentials) -> str | None:
        """Return a name for whoever sends the request, or None if it carries nothing that this authenticator reads.

        Called for each request, in a thread of its own, so it may ask another machine, but quickly.

        Raises:
            DeniedError: the request carries something that is wrong; it is refused with 403. Any other exception
                refuses it too, and is logged.
        """
        ...


# -- descriptors -------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class AuthenticatorPlugin:
    """An authenticator that can be selected by name."""

    name: str
    """Its name ("ldap")."""
    summary: str
    """One line for people."""
    factory: Callable[[Any], Authenticator]
    """Makes the authenticator from the structured configuration."""
    config: type | None = None
    """The attrs class of its ``[plugins.<name>]`` section; None if it has no settings."""


@frozen(kw_only=True)
class RouterPlugin:
    """Endpoints that can be selected by name."""

    name: str
    """Its name ("metrics")."""
    summary: str
    """One line for people."""
    factory: Callable[[Any], APIRouter]
    """Makes the router from the structured configuration; its endpoints get the database from ``services_of``."""
    config: type | None = None
    """The attrs class of its ``[plugins.<name>]`` section; None if it has no settings."""


# -- hooks of the group ``whatsnext.server`` ---------------------------------------------------------------------------


@hookspec
def whatsnext_server_authenticators() -> Iterable[AuthenticatorPlugin]:  # type: ignore[empty-body]  # as above
    """Return the authenticators of this plugin.

    Called in the server, once, when the application is made. Those that the setting ``authenticators`` names are
    asked, in its order, for each request that sends no valid API key; the first that returns a name lets the request
    in. If the hook fails, the plugin is skipped with one line; it is fatal only if the setting names one of its own.

    Example::

        @hookimpl
        def whatsnext_server_authenticators():
            return [AuthenticatorPlugin(name="ldap", summary="LDAP passwords", factory=Ldap, config=LdapConfig)]

    .. versionadded:: 0.1
    """


@hookspec
def whatsnext_server_routers() -> Iterable[RouterPlugin]:  # type: ignore[empty-body]  # a specification has none
    """Return the routers of this plugin.

    Called in the server, once, when the application is made. The endpoints of those that the setting ``routers`` names
    are served behind the same keys and limits as all others; a path that the server itself answers stays the server's.
    If the hook fails, the plugin is skipped with one line, and it is fatal only if the setting names one of its own.

    Example::

        @hookimpl
        def whatsnext_server_routers():
            return [RouterPlugin(name="metrics", summary="numbers for Prometheus", factory=lambda config: router)]

    .. versionadded:: 0.1
    """


__all__ = [
    "GROUP",
    "Authenticator",
    "AuthenticatorPlugin",
    "Credentials",
    "DeniedError",
    "RouterPlugin",
    "hookimpl",
    "hookspec",
    "whatsnext_server_authenticators",
    "whatsnext_server_routers",
]
