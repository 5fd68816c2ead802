"""Plugins from the command line: listed with their state, and adding commands of their own."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.shell import PROGRAM
from tests.core.plugins.toys import Toy, formatter
from tests.support.server import clean_environment

COMMAND = """\
import click
from whatsnext_client.hookspecs import CommandPlugin, hookimpl

@click.command()
@click.argument("jobs", type=int)
def cost(jobs):
    "Say what jobs cost."
    click.echo(f"{jobs} jobs cost {2 * jobs} coins")

def broken():
    raise RuntimeError("no coins here")

@hookimpl
def whatsnext_cli_commands():
    return [
        CommandPlugin(name="cost", summary="What the jobs cost.", factory=lambda: cost),
        CommandPlugin(name="broken", summary="Cannot be made.", factory=broken),
        CommandPlugin(name="no-command", summary="Is none.", factory=lambda: print),
        CommandPlugin(name="jobs", summary="Shall not replace ours.", factory=lambda: cost),
    ]
"""


@pytest.fixture
def run(tmp_path: Path) -> "Runner":
    """The program with plugins that a test installs."""
    return Runner(tmp_path)


class Runner:
    """Runs the program beside toy distributions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, group: str, **plugins: str) -> None:
        """Installs a distribution with plugins."""
        Toy(name=name, group=group, plugins=plugins).install(self.folder / "site")

    def __call__(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """What the program did."""
        env = {**clean_environment(), "PYTHONPATH": str(self.folder / "site"), "HOME": str(self.folder), **settings}
        return subprocess.run(
            [PROGRAM, *arguments], capture_output=True, text=True, check=False, env=env, cwd=self.folder, timeout=60
        )


def test_a_plugin_adds_a_command_that_is_listed_and_runs(run: Runner) -> None:
    run.install("toy-cost", "whatsnext.client", cost=COMMAND)
    listing = run("--help")
    assert "What the jobs cost." in listing.stdout
    assert "Shall not replace ours." not in listing.stdout
    done = run("cost", "21")
    assert (done.returncode, done.stdout, done.stderr) == (0, "21 jobs cost 42 coins\n", "")
    assert "Say what jobs cost." in run("cost", "--help").stdout
    assert "Submit jobs" in run("jobs", "--help").stdout
    assert "Did you mean 'cost'" in run("cots").stderr


def test_a_command_that_cannot_be_made_names_its_plugin_and_hurts_no_other(run: Runner) -> None:
    run.install("toy-cost", "whatsnext.client", cost=COMMAND)
    for name, words in (("broken", "RuntimeError: no coins here"), ("no-command", "expected a click.Command")):
        done = run(name)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
        assert "toy-cost 1.0" in done.stderr
        assert "Traceback" not in done.stderr
    assert run("cost", "1").returncode == 0


def test_a_broken_plugin_of_commands_costs_one_line_and_can_be_disabled(run: Runner) -> None:
    run.install("toy-broken", "whatsnext.client", bad="import nonesuch\n")
    listing = run("--help")
    assert listing.returncode == 0
    (line,) = listing.stderr.splitlines()
    assert "toy-broken 1.0 is broken" in line
    assert run("--help", WHATSNEXT_DISABLED_PLUGINS="toy-broken").stderr == ""
    assert run("completion", "bash").stderr == "", "a built-in command asks no plugin"


def test_plugins_are_listed_with_their_state_and_error(run: Runner) -> None:
    run.install("toy-formatter", "whatsnext", at=formatter("at"))
    run.install("toy-broken", "whatsnext", bad="import nonesuch\n")
    run.install("toy-cost", "whatsnext.client", cost=COMMAND)
    done = run("plugins", "--json", WHATSNEXT_DISABLED_PLUGINS="probe-cpu")
    states = {state["name"]: state for state in json.loads(done.stdout)}
    assert (states["at"]["state"], states["at"]["offers"]) == ("loaded", ["formatter at"])
    assert (states["cost"]["group"], states["cost"]["version"]) == ("whatsnext.client", "1.0")
    assert (states["bad"]["state"], "nonesuch" in states["bad"]["error"]) == ("broken", True)
    assert states["probe-cpu"]["state"] == "disabled"
    assert states["formatter-cli"]["distribution"] == "whatsnext-formatter-cli"
    table = run("plugins")
    assert table.returncode == 0
    assert [line.split()[1] for line in table.stdout.splitlines() if line.startswith("bad")] == ["broken"]
    assert table.stderr.count("\n") == 1


def test_a_selected_formatter_that_is_missing_or_broken_is_fatal(run: Runner) -> None:
    run.install("toy-broken", "whatsnext", bad="import nonesuch\n")
    done = run("worker", "--formatter", "at", "--port", "1")
    assert done.returncode == 2
    assert "'at'" in done.stderr
    assert "nonesuch" in done.stderr
    done = run("worker", "--formatter", "cli", "--script", "x", "--port", "1", WHATSNEXT_RETRY_FOR="0")
    assert done.returncode == 3
