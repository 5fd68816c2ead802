"""Plugins of the higher groups: commands, endpoints and authenticators of a stranger."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.plugins.toys import Toy
from tests.server.serving import serving
from whatsnext_core.errors import PluginError
from whatsnext_core.memory import MemoryStorage
from whatsnext_server.app import create_app
from whatsnext_server.config import ServerSettings

GREET = """
import click
from whatsnext_client.hookspecs import CommandPlugin, hookimpl

@click.command()
@click.argument("name")
def greet(name):
    click.echo(f"Hello {name}")

@hookimpl
def whatsnext_cli_commands():
    return [CommandPlugin(name="greet", summary="Says hello.", factory=lambda: greet)]
"""

DOOR = """
from attrs import frozen
from fastapi import APIRouter
from whatsnext_server.hookspecs import AuthenticatorPlugin, RouterPlugin, DeniedError, hookimpl

@frozen(kw_only=True)
class DoorConfig:
    word: str = "sesame"

class Door:
    def __init__(self, config):
        self.word = config.word

    def authenticate(self, credentials):
        said = credentials.headers.get("x-word")
        if said is None:
            return None
        if said != self.word:
            raise DeniedError("That is not the word.")
        return "ali"

def bells(config):
    router = APIRouter()

    @router.get("/bells")
    def ring():
        return {"bell": "ding"}

    return router

@hookimpl
def whatsnext_server_authenticators():
    return [AuthenticatorPlugin(name="door", summary="A word.", factory=Door, config=DoorConfig)]

@hookimpl
def whatsnext_server_routers():
    return [RouterPlugin(name="bells", summary="Bells.", factory=bells)]
"""


def test_a_command_of_a_plugin_is_run_and_listed(tmp_path: Path) -> None:
    Toy(name="greet-dist", group="whatsnext.client", plugins={"greet": GREET}).install(tmp_path)
    Toy(name="bad-dist", group="whatsnext.client", plugins={"bad": "import nothing_of_this_name"}).install(tmp_path)
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}

    def whatsnext(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [str(Path(sys.executable).with_name("whatsnext")), *arguments]
        return subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)

    done = whatsnext("greet", "Ada")
    assert done.stdout == "Hello Ada\n"
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["Plugin 'bad' of bad-dist 1.0 is broken"]
    assert "Says hello." in whatsnext("--help").stdout
    assert "bad-dist" not in whatsnext("projects", "--help").stderr


@pytest.fixture
def _door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    Toy(name="door-dist", group="whatsnext.server", plugins={"door": DOOR}).install(tmp_path)
    (tmp_path / "whatsnext.toml").write_text("[plugins.door]\nword = 'simsim'\n")


@pytest.mark.usefixtures("_door")
def test_endpoints_and_authenticators_of_a_plugin_serve_when_the_settings_name_them() -> None:
    settings = ServerSettings(database="memory://", authenticators=("door",), routers=("bells",))
    with serving(MemoryStorage(), settings) as api:
        api.call("GET", "/bells", status=401)
        assert api.call("GET", "/bells", None, 403, headers={"X-Word": "sesame"}) == {"detail": "That is not the word."}
        assert api.call("GET", "/bells", headers={"X-Word": "simsim"}) == {"bell": "ding"}
    with serving(MemoryStorage()) as api:
        api.call("GET", "/bells", status=404)


@pytest.mark.usefixtures("_door")
def test_an_unknown_authenticator_ends_the_server() -> None:
    with pytest.raises(PluginError, match=r"server authenticator 'gate' not found.*installed are: door"):
        create_app(ServerSettings(database="memory://", authenticators=("gate",)), MemoryStorage())
