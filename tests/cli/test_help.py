"""What the program says of itself."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from whatsnext_client.cli import COMMANDS, cli
from whatsnext_client.commands.base.help import Command, Group
from whatsnext_client.commands.base.options import CommonOption

COMMON = {"server", "port", "config", "project", "api_key", "as_json"}


def commands(context: click.Context) -> Iterator[click.Context]:
    """A context for a command and for each one below it."""
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            assert command is not None
            yield from commands(command.make_context(name, [], parent=context, resilient_parsing=True))


ROOT = cli.make_context("whatsnext", [], resilient_parsing=True)
ALL = {context.command_path: context for context in commands(ROOT)}


@pytest.mark.parametrize("path", ALL)
def test_help_says_what_the_command_does_and_shows_an_example(path: str) -> None:
    for option in ("--help", "-h"):
        done = CliRunner().invoke(cli, [*path.split()[1:], option])
        assert done.exit_code == 0
        assert f"Usage: {path}" in done.stdout
        assert "Examples:" in done.stdout
    command = ALL[path].command
    assert command.help
    assert command.help.split("\n\n")[0].rstrip().endswith("."), "the first sentence is one"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_in_the_list_is_how_the_help_of_the_command_begins(name: str) -> None:
    assert ALL[f"whatsnext {name}"].command.get_short_help_str(200) == COMMANDS[name][1]


@pytest.mark.parametrize("path", [path for path in ALL if path != "whatsnext completion"])
def test_every_command_takes_the_common_options(path: str) -> None:
    params = ALL[path].command.params
    assert {param.name for param in params if isinstance(param, CommonOption)} == COMMON


@pytest.mark.parametrize("path", ALL)
def test_every_example_is_one_that_the_program_understands(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("jobs.jsonl", "sweep.jsonl", "workflow.json"):
        (tmp_path / name).touch()
    command = ALL[path].command
    assert isinstance(command, Command | Group)
    for example in command.examples:
        line = shlex.split(example.removeprefix('eval "$(').replace(')"', ""), comments=True)
        call = line[line.index("whatsnext") + 1 :]
        understood(cli, call[: call.index("|")] if "|" in call else call, "whatsnext")


def understood(command: click.Command, arguments: list[str], name: str, parent: click.Context | None = None) -> None:
    """Parses arguments as the program does, down to the last command; a usage error fails the test."""
    with command.make_context(name, list(arguments), parent=parent) as context:
        if isinstance(command, click.Group):
            rest = [*context._protected_args, *context.args]  # noqa: SLF001 - click keeps the rest there
            found, below, rest = command.resolve_command(context, rest)
            assert found is not None
            assert below is not None
            understood(below, rest, found, context)


def test_second_names_lead_to_the_same_command() -> None:
    group = cli.get_command(click.Context(cli), "jobs")
    assert isinstance(group, Group)
    context = click.Context(group)
    assert group.get_command(context, "ls") is group.get_command(context, "list")
    assert group.get_command(context, "rm") is group.get_command(context, "remove")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["job"], "No such command 'job'. Did you mean 'jobs'?"),
        (["jobs", "shwo", "1"], "Did you mean 'show'?"),
        (["xyzzy"], "There are init, status"),
        (["jobs", "ls", "--stauts", "x"], "--status"),
        (["jobs", "show", "x"], "'x' is no job id"),
        (["jobs", "ls", "--status", "DONE"], "'DONE' is not a job status; use one of PENDING"),
        (["jobs", "ls", "--limit", "-1"], "-1"),
        (["--port", "99999", "status"], "99999"),
        (["jobs", "add"], "Missing argument 'TASK'"),
        (["jobs", "cancel"], "Give job ids, or --all"),
        (["jobs", "retry", "1", "--failed"], "not both"),
        (["jobs", "wait", "1", "--timeout", "soon"], "'soon' is no duration"),
        (["tasks", "create", "x", "--env", "A"], "NAME=VALUE"),
        (["tasks", "create", "x", "--option", "image=x"], "FORMATTER.KEY=VALUE"),
        (["jobs", "add", "x", "--param", "lr"], "key=value"),
        (["jobs", "add", "x", "--depends", "1:maybe"], "success, finished, failure"),
        (["completion", "tcsh"], "tcsh"),
    ],
)
def test_a_wrong_call_is_refused_with_what_was_meant(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(cli, ["--server", "127.0.0.1", "--port", "1", "--project", "p", *arguments])
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Usage: whatsnext" in done.stderr


def test_the_version_is_the_distributions_own() -> None:
    done = CliRunner().invoke(cli, ["--version"])
    assert done.stdout.startswith("whatsnext 0.")


def test_help_imports_nothing_slow() -> None:
    code = (
        "import json, sys\n"
        "from click.testing import CliRunner\n"
        "from whatsnext_client import cli as program\n"
        "cli, program.may_be_extended = program.cli, lambda _: False  # plugins with commands are loaded to list them\n"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0\n"
        "assert CliRunner().invoke(cli, ['jobs', 'submit', '--help']).exit_code == 0\n"
        "print(json.dumps(sorted(name.partition('.')[0] for name in sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    slow = {"requests", "rich", "cattrs", "attrs", "pluggy", "typed_settings", "urllib3", "psutil", "whatsnext_core"}
    assert slow & set(json.loads(done.stdout)) == set()


def test_help_of_an_installed_plugins_commands_reads_no_settings_and_looks_for_plugins_once() -> None:
    code = (
        "import importlib.metadata, json, sys\n"
        "look, looks = importlib.metadata.entry_points, []\n"
        "importlib.metadata.entry_points = lambda **which: looks.append(which) or look(**which)\n"
        "from click.testing import CliRunner\n"
        "from whatsnext_client.cli import cli\n"
        "done = CliRunner().invoke(cli, ['--help'])\n"
        "assert (done.exit_code, 'autoscale' in done.output) == (0, True), done.output\n"
        "print(json.dumps([len(looks), sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    looks, modules = json.loads(done.stdout)
    assert looks == 1
    slow = {"requests", "rich", "cattrs", "typed_settings", "urllib3", "psutil", "dotenv", "pydantic"}
    assert slow & {name.partition(".")[0] for name in modules} == set()
    assert "whatsnext_autoscale_slurm.settings" not in modules
