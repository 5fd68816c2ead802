"""``whatsnext-server run``."""

from __future__ import annotations

from pathlib import Path

import click

from whatsnext_server.commands.options import config_option, setting_options, told
from whatsnext_server.config import load_server_settings


@click.command(short_help="Serve until SIGTERM or Ctrl+C.")
@config_option
@click.option(
    "--port-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the port into this file once the server listens; useful with --port 0.",
)
@setting_options()
@told
def run(config: str | None, port_file: Path | None, **given: str | None) -> None:
    """Serve the REST API until SIGTERM or Ctrl+C.

    Each option may also stand in a config file, as a key of its [server] table, in .env or in the environment
    (WHATSNEXT_PORT for --port). Later ones win: file, .env, environment, option.

    \b
    Examples:
      whatsnext-server run
      whatsnext-server run --port 0 --database sqlite:///queue.db
      WHATSNEXT_API_KEYS=secret1,secret2 whatsnext-server run --host 0.0.0.0
      whatsnext-server run --upgrade --database postgresql://me@db.example.org/whatsnext
      whatsnext-server run --processes 2 --database postgresql://me@db.example.org/whatsnext

    On the end signal it answers what is waiting, writes what it has accepted, and exits with 0. PostgreSQL can have
    several servers at once, a SQLite file only one.
    """  # noqa: D301  # click reads the mark, not a backslash
    from whatsnext_server.process.serving import serve, write_port_file

    def announce(url: str, port: int) -> None:
        click.echo(f"WhatsNext server listens on {url} (API documentation: {url}/docs)")
        if port_file is not None:
            write_port_file(port_file, port)

    serve(load_server_settings(config=config, overrides=given), config=config, announce=announce)


__all__ = ["run"]
