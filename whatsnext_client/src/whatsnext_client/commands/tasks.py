"""``whatsnext tasks``: the kinds of jobs of a project."""

from __future__ import annotations

from typing import Any

import click

from whatsnext_client.commands.base import completing
from whatsnext_client.commands.base.help import Group
from whatsnext_client.commands.base.options import common_options
from whatsnext_client.commands.base.session import Session, pass_session
from whatsnext_client.commands.base.values import duration, parse_value, size, split_pair

SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT"]


@click.group(cls=Group, aliases={"ls": "list", "rm": "delete"}, examples=["whatsnext --project digits tasks list"])
@common_options
def tasks() -> None:
    """Make, list and delete tasks: a command, what it needs of a machine, and what follows a failure."""


@tasks.command("list", examples=["whatsnext --project digits tasks list"])
@common_options
@pass_session
def list_tasks(session: Session) -> None:
    """List the tasks of the project."""
    from whatsnext_client.commands.base import columns

    found = list(session.api.tasks(session.project["id"]))
    empty = f"Project {session.project['name']} has no tasks; make one: whatsnext tasks create NAME --command '...'"
    session.output.table(found, columns.TASKS, empty=empty)


@tasks.command(
    "create",
    examples=[
        "whatsnext tasks create train --command 'python train.py --lr {lr}' --cpu 4 --memory 8G",
        "whatsnext tasks create tune --accelerators 2 --accelerator-kind a100 --timeout 2h --retries 3",
        "whatsnext tasks create hello --command 'echo {word}' --env LANG=C --option docker.image=alpine",
    ],
)
@click.argument("name")
@click.option(
    "--command",
    "command_template",
    metavar="TEXT",
    help="Command with {parameter} placeholders; without, the worker's formatter decides.",
)
@click.option("--cpu", "required_cpu", type=int, metavar="N", help="CPUs that it needs.  [default: 1]")
@click.option("--accelerators", "required_accelerators", type=float, metavar="N", help="Accelerators; 0.5 shares one.")
@click.option("--memory", "required_memory", type=size, metavar="SIZE", help="Main memory: bytes, or 512MiB, 8G.")
@click.option("--accelerator-kind", metavar="TEXT", help="Part of the accelerator's name, such as a100.")
@click.option("--accelerator-memory", type=size, metavar="SIZE", help="Memory that each accelerator has at least.")
@click.option("--label", "required_labels", multiple=True, help="Label that the worker must carry; may be repeated.")
@click.option("--timeout", type=duration, metavar="TIME", help="How long an attempt may run: 90, 10m, 2h.")
@click.option("--signal", type=click.Choice(SIGNALS), help="What asks it to end.  [default: SIGTERM]")
@click.option("--grace", type=duration, metavar="TIME", help="From that signal to SIGKILL.  [default: 30s]")
@click.option("--retries", type=int, metavar="N", help="Attempts after the first failed one.  [default: 0]")
@click.option("--retry-delay", "delay", type=duration, metavar="TIME", help="Before the first retry.  [default: 1s]")
@click.option("--retry-factor", "factor", type=float, metavar="X", help="Growth of the delay.  [default: 2]")
@click.option("--retry-max-delay", "max_delay", type=duration, metavar="TIME", help="Longest delay.  [default: 1h]")
@click.option(
    "--retry-jitter", "jitter", type=float, metavar="X", help="Share of the delay that is spread.  [default: 0.1]"
)
@click.option(
    "--retry-on", "causes", multiple=True, metavar="CAUSE", help="Causes that are retried: exit, timeout, oom, ..."
)
@click.option(
    "--retry-memory-factor", "memory_factor", type=float, metavar="X", help="Growth of the memory after each oom."
)
@click.option("--max-losses", type=int, metavar="N", help="Attempts that may be lost with their worker.  [default: 5]")
@click.option(
    "--env", "environment", multiple=True, metavar="NAME=VALUE", help="Environment variable; may be repeated."
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="FORMATTER.KEY=VALUE",
    help="Setting for a formatter, the value as JSON or text.",
)
@common_options
@pass_session
def create(session: Session, /, name: str, **given: Any) -> None:
    """Make a task: a command, what a machine must have for it, and what follows a failure.

    Each {parameter} of the command is filled with the job's parameter of that name, as one argument and without a
    shell. To use pipes or &&, ask for a shell, and let :q quote the values for it: --command "sh -c 'wc -l {path:q} |
    sort'".

    A time is a number of seconds, or has units: 250ms, 90s, 10m, 1h30m, 2d. A size is a number of bytes, or has one:
    512MiB, 8G; units are powers of 1024. CAUSE is exit, timeout, oom, preempted, walltime, engine, format-error or
    promised.
    """
    fields = body(given)
    task = session.api.create_task({"name": name, "project_id": session.project["id"], **fields})
    session.output.say(f"Created task {task['name']} with id {task['id']} in project {session.project['name']}.", task)


@tasks.command("show", examples=["whatsnext tasks show train", "whatsnext tasks show train --json"])
@click.argument("name", shell_complete=completing.task_names)
@common_options
@pass_session
def show(session: Session, name: str) -> None:
    """Show all of a task."""
    from whatsnext_client.commands.base import columns, times

    task = session.api.task_named(session.project["id"], name)
    retry = task["retry"]
    fields = [
        ("id", task["id"]),
        ("name", task["name"]),
        ("project", session.project["name"]),
        ("command", task["command_template"] or "(the formatter's own)"),
        ("cpu", task["required_cpu"]),
        ("accelerators", columns.accelerators(task)),
        ("memory", times.memory(task["required_memory"] or None)),
        ("labels", " ".join(task["required_labels"])),
        ("timeout", times.span(task["timeout"]) if task["timeout"] else "none"),
        ("on cancel", f"{task['signal']}, SIGKILL {times.span(task['grace'])} later"),
        ("retries", f"{retry['retries']} on {', '.join(retry['causes'])}" if retry["retries"] else "none"),
        (
            "retry delay",
            f"{times.span(retry['delay'])}, times {retry['factor']:g} each, at most {times.span(retry['max_delay'])}",
        ),
        ("max losses", retry["max_losses"]),
        ("environment", "\n".join(f"{key}={value}" for key, value in task["environment"].items())),
        ("options", task["options"]),
        ("created", times.local(task["created_at"])),
        ("updated", times.local(task["updated_at"])),
    ]
    session.output.record(fields, task)


@tasks.command("delete", examples=["whatsnext tasks delete train"])
@click.argument("name", shell_complete=completing.task_names)
@click.option("--yes", "-y", is_flag=True, help="Ask nothing.")
@common_options
@pass_session
def delete(session: Session, name: str, *, yes: bool) -> None:
    """Delete a task with its ended jobs; asks first on a terminal. It is refused while other jobs of it are left."""
    task = session.api.task_named(session.project["id"], name)
    session.confirm(f"Delete task {name} of project {session.project['name']} and its ended jobs?", yes=yes)
    session.api.delete_task(task["id"])
    session.output.say(f"Deleted task {name}.", {"deleted": task["id"], "name": name})


RETRY = ("retries", "delay", "factor", "max_delay", "jitter", "causes", "memory_factor", "max_losses")
"""The fields of a task that lie in its retry policy."""


def body(given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a task as the server wants them, from the options that were given."""
    fields = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in given.items()
        if value not in (None, ())
    }
    retry = {key: fields.pop(key) for key in RETRY if key in fields}
    if retry:
        fields["retry"] = retry
    if "environment" in fields:
        fields["environment"] = dict(split_pair(pair, "NAME=VALUE") for pair in fields["environment"])
    options: dict[str, dict[str, Any]] = {}
    for pair in fields.pop("options", ()):
        path, value = split_pair(pair, "FORMATTER.KEY=VALUE")
        formatter, dot, key = path.partition(".")
        if not dot or not formatter or not key:
            raise click.BadParameter(f"{pair!r} is not of the form FORMATTER.KEY=VALUE.")
        options.setdefault(formatter, {})[key] = parse_value(value)
    return {**fields, "options": options} if options else fields
