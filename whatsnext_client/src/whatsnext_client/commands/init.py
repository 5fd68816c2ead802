"""``whatsnext init``: a settings file to begin with."""

from __future__ import annotations

import json
from pathlib import Path

import click

from whatsnext_client.commands.base.failures import LocalError
from whatsnext_client.commands.base.help import Command
from whatsnext_client.commands.base.options import common_options, given
from whatsnext_client.commands.base.session import Session, pass_session

NAME = "whatsnext.toml"
NAMES = (NAME, ".whatsnext")


@click.command(
    cls=Command,
    examples=["whatsnext init", "whatsnext --server queue.example.org --project digits init --create-project"],
)
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
@click.option("--create-project", is_flag=True, help="Make the project on the server, too, if it is not there.")
@common_options
@pass_session
def init(session: Session, *, force: bool, create_project: bool) -> None:
    """Write a commented whatsnext.toml into the current folder, for all that runs here or below.

    The server, port and project that are given go into it. A key does not: put it into WHATSNEXT_API_KEY, or into
    your own settings file, which nobody else reads.
    """
    found = next((path for path in map(Path, NAMES) if path.exists()), None)
    if found is not None and not force:
        raise LocalError(f"{found.absolute()} exists; edit it, or overwrite it with --force.")
    path = found or Path(NAME)
    options = given(click.get_current_context())
    created = None
    if create_project:
        name = options.get("project") or session.project_name
        options = {**options, "project": name}
        if session.api.project_named(name) is None:
            created = session.api.create_project(name)
    path.write_text(settings(options), encoding="utf-8")
    data = {"file": str(path.absolute()), "created_project": created}
    made = f" Created project {created['name']} with id {created['id']}." if created else ""
    session.output.say(f"Wrote {path.absolute()}.{made}", data)


def settings(options: dict[str, object]) -> str:
    """Return the file, with what was given as settings and all else as comments."""

    def line(key: str, example: object) -> str:
        value = options.get(key)
        return f"{key} = {json.dumps(value)}" if value is not None else f"# {key} = {json.dumps(example)}"

    return f"""\
# Settings of whatsnext for this folder and all below it. The environment (WHATSNEXT_SERVER, WHATSNEXT_PROJECT, ...) and
# options of the command line outweigh them; what is commented out shows the default, or an example.

[client]
# Host name of the server, or its whole URL ("https://queue.example.org").
{line("server", "127.0.0.1")}
# Port, where the server is no URL.
{line("port", 8000)}
# The project that commands work in.
{line("project", "my-project")}
# Keys do not belong into a file that others read: set WHATSNEXT_API_KEY, or put this into your own settings file.
# api_key = "..."

# Settings of plugins stand in sections of their own; `whatsnext plugins` lists what is installed.
# [plugins.cli]
"""
