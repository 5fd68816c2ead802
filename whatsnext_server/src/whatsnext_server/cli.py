"""The program ``whatsnext-server``."""

from __future__ import annotations

import click

from whatsnext_server import __version__
from whatsnext_server.commands.db import db
from whatsnext_server.commands.plugins import plugins
from whatsnext_server.commands.run import run


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="whatsnext-server")
def main() -> None:
    """The server of WhatsNext: it keeps the queue, and hands jobs to workers.

    Start one with 'whatsnext-server run', then submit jobs with 'whatsnext' or the Python library.
    """


for command in (run, db, plugins):
    main.add_command(command)

__all__ = ["main"]
