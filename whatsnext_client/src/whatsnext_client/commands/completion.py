"""``whatsnext completion``: what makes the shell complete commands, options and names."""

from __future__ import annotations

import click

from whatsnext_client.commands.base.help import Command

PROGRAMS = ("whatsnext", "wnxt")


@click.command(
    cls=Command,
    examples=[
        'eval "$(whatsnext completion bash)"             # in ~/.bashrc',
        'eval "$(whatsnext completion zsh)"              # in ~/.zshrc, after compinit',
        "whatsnext completion fish | source              # in ~/.config/fish/config.fish",
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that makes SHELL complete commands, options, and the names of projects, tasks and workers."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover - click knows all of the choices
        raise click.UsageError(f"click cannot complete for {shell}.")
    for program in PROGRAMS:
        click.echo(kind(ctx.find_root().command, {}, program, f"_{program.upper()}_COMPLETE").source())
