"""The client and the server each work in an environment that has nothing of the other."""

import ast
import json
import signal
import urllib.request
from pathlib import Path
from urllib.error import URLError

from tests.packaging.environment import Environment
from tests.support import Daemon, distributions, free_port, wait_until

ONLY_FOR_SERVERS = {
    "fastapi",
    "starlette",
    "uvicorn",
    "sqlalchemy",
    "alembic",
    "whatsnext-server",
    "whatsnext-storage-sql",
}
DOCUMENTED = {
    "Artifact",
    "CLIFormatter",
    "Client",
    "DockerFormatter",
    "EmptyQueueError",
    "Formatter",
    "Job",
    "KubernetesFormatter",
    "Project",
    "RUNAIFormatter",
    "Resource",
    "Server",
    "SlurmFormatter",
    "Task",
}
OF_OTHER_ENGINES = {"DockerFormatter", "KubernetesFormatter", "RUNAIFormatter", "SlurmFormatter"}
ONLY_FOR_CLIENTS = {"requests", "whatsnext-client", "whatsnext-formatter-cli", "whatsnext-probe-cpu"}


def test_the_client_installs_without_anything_of_a_server(client_alone: Environment) -> None:
    assert client_alone.installed() & ONLY_FOR_SERVERS == set()
    for module in ("fastapi", "sqlalchemy", "whatsnext_server", "whatsnext.api.server"):
        assert not client_alone.has_module(module)


def test_the_client_alone_gives_every_documented_name(client_alone: Environment) -> None:
    code = f"import json, whatsnext.api.client as face; print(json.dumps(sorted({DOCUMENTED} - set(face.__all__))))"
    assert set(json.loads(client_alone.run("python", "-c", code).stdout)) == OF_OTHER_ENGINES
    needed = "from whatsnext.api.client import Server, Job, Client, Resource, CLIFormatter, EmptyQueueError"
    client_alone.run("python", "-c", needed)


def test_the_client_alone_says_what_its_commands_are(client_alone: Environment) -> None:
    for program in ("whatsnext", "wnxt"):
        assert "jobs" in client_alone.run(program, "--help").stdout


def test_the_help_of_the_client_alone_imports_nothing_that_it_does_not_show(client_alone: Environment) -> None:
    code = (
        "import sys; from whatsnext_client.cli import cli\n"
        "cli.main(['--help'], standalone_mode=False)\n"
        "print(sorted(name for name in sys.modules if name.startswith('whatsnext_client.commands.')))\n"
        "print(sorted({'importlib.metadata', 'pathlib', 'json', 'socket', 'attr', 'pluggy'} & set(sys.modules)))"
    )
    *_, commands, slow = client_alone.run("python", "-c", code).stdout.splitlines()
    assert slow == "[]"
    assert not [name for name in ast.literal_eval(commands) if ".base" not in name]


def test_the_client_alone_finds_its_plugins(client_alone: Environment) -> None:
    listing = client_alone.run("whatsnext", "plugins", "--json").stdout
    assert "formatter-cli" in listing
    assert "probe-cpu" in listing


def test_the_server_installs_without_anything_of_a_client(server_alone: Environment) -> None:
    assert server_alone.installed() & ONLY_FOR_CLIENTS == set()
    for module in ("requests", "whatsnext_client", "whatsnext.api.client"):
        assert not server_alone.has_module(module)


def test_the_server_alone_starts_answers_and_stops(server_alone: Environment, tmp_path: Path) -> None:
    port = free_port()
    argv = [str(server_alone.program("whatsnext-server")), "run", "--host", "127.0.0.1", "--port", str(port)]
    argv += ["--database", f"sqlite:///{tmp_path}/q.db"]
    with Daemon(argv, tmp_path / "log", env=server_alone.variables(), cwd=tmp_path) as server:

        def answer() -> object:
            assert server.alive(), server.tail()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/checkdb", timeout=5) as response:
                    return json.load(response)
            except URLError:
                return None

        assert wait_until(answer, 60, "the server answers") == {"message": "DB is working"}
        assert server.stop(signal.SIGTERM) == 0, server.tail()


def test_the_server_alone_shows_its_documented_modules(server_alone: Environment) -> None:
    modules = ", ".join(
        f"whatsnext.api.server.{name}" for name in ("main", "models", "schemas", "routers", "database", "config")
    )
    server_alone.run("python", "-c", f"import {modules}; whatsnext.api.server.main.app")


def test_every_distribution_has_the_version_that_its_package_says(
    client_alone: Environment, server_alone: Environment
) -> None:
    for environment in (client_alone, server_alone):
        ours = sorted(environment.installed() & distributions().keys())
        code = (
            "import importlib, importlib.metadata as m\n"
            f"for n in {ours}:\n"
            "    package = importlib.import_module(n.replace('-', '_'))\n"
            "    print(n, getattr(package, '__version__', m.version(n)) == m.version(n))"
        )
        assert environment.run("python", "-c", code).stdout.splitlines() == [f"{name} True" for name in ours]
