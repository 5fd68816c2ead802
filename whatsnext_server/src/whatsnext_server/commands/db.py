"""``whatsnext-server db``."""

from __future__ import annotations

import click

from whatsnext_core.errors import StorageError
from whatsnext_server.commands.options import config_option, setting_options, told
from whatsnext_server.config import load_server_settings


@click.group(short_help="Look after the database.")
def db() -> None:
    """Look after the database that the settings name."""


@db.command(short_help="Bring the schema up to date.")
@config_option
@setting_options("database", "disabled_plugins")
@told
def upgrade(config: str | None, **given: str | None) -> None:
    """Bring the schema up to date, and say what was done.

    Stop the servers first, and make a backup of what you can't afford to lose.

    Example: whatsnext-server db upgrade --database sqlite:///queue.db
    """
    from whatsnext_server.process.opening import select_backend

    settings = load_server_settings(config=config, overrides=given)
    backend, options = select_backend(settings, config)
    if backend.upgrade is None:
        click.echo(f"The storage backend {backend.name} has no schema; there is nothing to upgrade.")
    else:
        click.echo(backend.upgrade(settings.database, options))


@db.command(short_help="Say whether the database answers.")
@config_option
@setting_options("database", "disabled_plugins")
@told
def check(config: str | None, **given: str | None) -> None:
    """Open the database and ask it something; exit with 1 and the reason if that fails.

    Example: whatsnext-server db check --database postgresql://me@db.example.org/whatsnext
    """
    from whatsnext_server.process.opening import select_backend, sqlite_file

    settings = load_server_settings(config=config, overrides=given)
    backend, options = select_backend(settings, config)
    file = sqlite_file(settings.database)
    if file is not None and not file.exists():
        raise StorageError(f"There is no file {file}; 'whatsnext-server run' or 'db upgrade' creates it.")
    storage = backend.open(settings.database, options)
    try:
        storage.check()
    finally:
        storage.close()
    click.echo(f"The database answers (storage backend {backend.name}).")


__all__ = ["db"]
