"""``whatsnext up``: a server and a worker on this machine, with one command."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from whatsnext_client.commands.base.failures import RefusedError
from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.offering import make_formatter, make_offer, offering_options
from whatsnext_client.commands.base.options import common_options, given
from whatsnext_client.commands.base.session import Session, pass_session

if TYPE_CHECKING:
    from whatsnext_client.client import Client
    from whatsnext_client.localserver import LocalServer

WATCH = 0.5
"""Seconds between two looks whether the server still runs."""


@click.command(
    cls=Command,
    examples=["whatsnext up", "whatsnext up --port 0 --cpus 2", "whatsnext up --database sqlite:///queue.db"],
)
@offering_options
@click.option("--name", metavar="TEXT", help="Name of the worker.  [default: the host's name]")
@click.option("--database", metavar="URL", help="Where jobs are kept.  [default: SQLite in your data directory]")
@click.option("--verbose", "-v", is_flag=True, help="Tell more.")
@common_options
@pass_session
def up(
    session: Session,
    /,
    *,
    formatter: str,
    script: str | None,
    executable: str | None,
    name: str | None,
    database: str | None,
    verbose: bool,
    **given_offer: Any,
) -> None:
    """Start a server and a worker on this machine, and stop both with Ctrl-C.

    The server listens on this machine only, at the configured port, or 8000; --port 0 takes a free one. What was
    submitted is still there when it is started again. The worker takes the jobs of all projects, unless --project names
    one, which is made if it is not there.

    The first Ctrl-C lets running jobs finish, a second one ends them.
    """
    from whatsnext_client.commands.base.logging import log_to_stderr
    from whatsnext_client.localserver import LocalServer
    from whatsnext_core.plugins import load_plugins

    log_to_stderr(verbose=verbose)
    plugins = load_plugins(disabled=session.disabled_plugins, warn=session.output.note)
    engine = make_formatter(session, plugins, formatter, script=script, executable=executable)
    offer = make_offer(session, plugins, **given_offer)
    asked = given(click.get_current_context()).get("port")
    port = next(number for number in (asked, session.settings.port, 8000) if number is not None)
    options = [
        *(["--config", session.config] if session.config else []),
        *(["--database", database] if database else []),
    ]
    with _terminated_as_interrupted(), LocalServer(port, options) as server:
        _work(session.at(server.url), server, engine, offer, name=name, formatter=formatter)


def _work(session: Session, server: LocalServer, engine: Any, offer: Any, *, name: str | None, formatter: str) -> None:
    from whatsnext_client.commands.worker import greet, make_client

    session.api.transport.greet(wait_for=10.0)
    only = given(click.get_current_context()).get("project")
    project = (session.api.project_named(only) or session.api.create_project(only)) if only else None
    with make_client(session, engine, offer, project=project, name=name) as client:
        session.output.say(
            f"Server and worker are up at {server.url} (Ctrl-C stops both).",
            {"server": server.url, "worker": client.id},
        )
        greet(session, client, formatter, offer.ends_at)
        ended = threading.Event()
        watch = threading.Thread(target=_watch, args=(server, client, ended), daemon=True)
        watch.start()
        try:
            client.work(run_forever=True, ends_at=offer.ends_at)
        except ConnectionError:
            if server.alive():
                raise
        finally:
            ended.set()
            watch.join()
    if not server.alive():
        raise RefusedError("The server ended by itself, so the worker ended, too; see its messages above.")


def _watch(server: LocalServer, client: Client, ended: threading.Event) -> None:
    """Ends the worker when the server is gone."""
    while not ended.wait(WATCH):
        if not server.alive():
            client.stop()
            return


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Lets SIGTERM, and the end of the terminal, end us as Ctrl-C does, so that the server is stopped, too."""

    def interrupt(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
