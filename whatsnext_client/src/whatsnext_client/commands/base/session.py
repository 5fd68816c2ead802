"""What a command works with: the settings, the server, the project, and where its output goes."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from whatsnext_client.commands.base.failures import LocalError, RefusedError
from whatsnext_client.commands.base.options import given
from whatsnext_client.commands.base.output import Output

if TYPE_CHECKING:
    from whatsnext_client.address import Address
    from whatsnext_client.config import ClientSettings
    from whatsnext_client.rest import Rest
    from whatsnext_client.transport import Transport

P = ParamSpec("P")
R = TypeVar("R")

NO_PROJECT = (
    'No project is named. Give --project NAME, set WHATSNEXT_PROJECT, or write project = "NAME" under [client] into '
    "whatsnext.toml."
)


class Session:
    """One call of the program; all of it is made when it is first used."""

    def __init__(self, ctx: click.Context, *, timeout: float | None = None, **instead: Any) -> None:
        self._ctx = ctx
        self._given = {**given(ctx), **instead}
        self._timeout = timeout
        self.output = Output(as_json=bool(self._given.get("as_json")))

    @property
    def config(self) -> str | None:
        """The settings file that the user named."""
        found: str | None = self._given.get("config")
        return found

    @cached_property
    def settings(self) -> ClientSettings:
        """The settings, options included."""
        from whatsnext_client.config import load_client_settings

        options = {key: self._given.get(key) for key in ("server", "port", "api_key", "project")}
        return load_client_settings(config=self.config, timeout=self._timeout, **options)

    def at(self, url: str) -> Session:
        """Return a session of the same options with the server at ``url``."""
        return Session(self._ctx, timeout=self._timeout, server=url, port=None)

    @property
    def disabled_plugins(self) -> tuple[str, ...]:
        """The plugins that the settings disable; help asks for them, so settings that name none are not read."""
        from whatsnext_core.settings import is_mentioned

        if not is_mentioned("disabled_plugins", "client", config=self.config):
            return ()
        return self.settings.disabled_plugins

    @cached_property
    def address(self) -> Address:
        """Where the server is."""
        from whatsnext_client.address import configured_address, parse_address

        port = self._given.get("port")
        if port is not None:
            return parse_address(self.settings.server, port)
        return configured_address(self.settings.server, self.settings.port)

    @cached_property
    def api(self) -> Rest:
        """The server. A person waits, so a connection that fails is not tried for long."""
        return self.connect(retry_for=0.0)

    @cached_property
    def patient_api(self) -> Rest:
        """The server, for commands that follow something: it may be away for a while."""
        return self.connect(retry_for=self.settings.retry_for)

    @cached_property
    def project(self) -> dict[str, Any]:
        """The project that was named."""
        return self.find_project(self.project_name)

    @property
    def project_name(self) -> str:
        """The name of the project; LocalError if none is named."""
        if not self.settings.project:
            raise LocalError(NO_PROJECT)
        return self.settings.project

    def find_project(self, name: str, *, patiently: bool = False) -> dict[str, Any]:
        """Return the project of this name; RefusedError if there is none."""
        found = (self.patient_api if patiently else self.api).project_named(name)
        if found is None:
            raise RefusedError(
                f"The server has no project named {name!r}. `whatsnext projects list` shows those there are, and "
                f"`whatsnext projects create` makes one."
            )
        return found

    @property
    def api_key(self) -> str | None:
        """The key for the server."""
        return self.settings.api_key

    def connect(self, *, retry_for: float) -> Rest:
        """Return the interface of the server."""
        from whatsnext_client.rest import Rest

        return Rest(self.transport(self.api_key, retry_for=retry_for))

    def transport(self, api_key: str | None, *, retry_for: float = 0.0) -> Transport:
        """Return a way to the server with this key."""
        from whatsnext_client.transport import Transport

        return Transport(self.address, api_key=api_key, timeout=self.settings.timeout, retry_for=retry_for)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Asks on a terminal, unless the answer was given; ends the command if the answer is no."""
        if not yes and sys.stdin.isatty() and sys.stderr.isatty() and not click.confirm(question, err=True):
            self.output.note("Nothing was done.")
            raise click.exceptions.Exit(1)


def pass_session(command: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """Gives a command its session as the first argument."""

    @functools.wraps(command)
    def run(*args: P.args, **options: P.kwargs) -> R:
        return command(Session(click.get_current_context()), *args, **options)

    return run
