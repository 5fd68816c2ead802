"""Plugins of the server, found through entry points as those of strangers are."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.serving import serving
from whatsnext_core.errors import ConfigurationError, PluginError
from whatsnext_core.memory import MemoryStorage
from whatsnext_server.config import ServerSettings
from whatsnext_server.extensions import load_extensions

SOURCE = """
from attrs import frozen
from fastapi import APIRouter, Request
from whatsnext_core.storage import Page
from whatsnext_server.hookspecs import AuthenticatorPlugin, DeniedError, RouterPlugin, hookimpl
from whatsnext_server.services import services_of

@frozen(kw_only=True)
class Config:
    word: str = "sesame"

class Words:
    def __init__(self, config):
        self.word = config.word

    def authenticate(self, credentials):
        said = credentials.headers.get("x-word")
        if said is None:
            return None
        if said != self.word:
            raise DeniedError("That is not the word.")
        return "somebody"

router = APIRouter()

@router.get("/toy/projects")
async def count(request: Request):
    return await services_of(request).read(lambda reader: len(reader.projects(Page())))

@router.get("/jobs/")
async def stolen():
    return "stolen"

@router.get("/toy/defect")
async def defect():
    raise RuntimeError("inner workings")

def broken(config):
    raise RuntimeError("no such machine")

@hookimpl
def whatsnext_server_authenticators():
    return [
        AuthenticatorPlugin(name="words", summary="a word", factory=Words, config=Config),
        AuthenticatorPlugin(name="broken", summary="breaks", factory=broken),
    ]

@hookimpl
def whatsnext_server_routers():
    return [RouterPlugin(name="toy", summary="counts projects", factory=lambda config: router)]
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed distribution with plugins of a server."""
    site = tmp_path / "site"
    info = site / "toy_server_plugins-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-server-plugins\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[whatsnext.server]\ntoy = toy_server_plugins\n")
    (site / "toy_server_plugins.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    yield tmp_path
    sys.modules.pop("toy_server_plugins", None)


def test_authenticator_lets_in_by_its_own_rule(toy: Path) -> None:
    (toy / "whatsnext.toml").write_text('[plugins.words]\nword = "please"\n')
    settings = ServerSettings(authenticators=("words",), api_keys=("key",))
    with serving(MemoryStorage(), settings) as api:
        api.call("GET", "/jobs/", headers={"X-Word": "please"})
        assert api.call("GET", "/jobs/", status=403, headers={"X-Word": "x"}) == {"detail": "That is not the word."}
        api.call("GET", "/jobs/", headers={"X-API-Key": "key"})
        api.call("GET", "/jobs/", status=401)


@pytest.mark.usefixtures("toy")
def test_router_is_served_behind_the_same_keys_and_takes_no_path_of_the_server() -> None:
    with serving(MemoryStorage(), ServerSettings(routers=("toy",), api_keys=("key",))) as api:
        key = {"X-API-Key": "key"}
        assert api.http.get("/toy/projects").status_code == 401
        api.http.post("/projects/", json={"name": "p"}, headers=key)
        assert api.http.get("/toy/projects", headers=key).json() == 1
        assert api.http.get("/jobs/", headers=key).json() == []
        assert "/toy/projects" in api.http.get("/openapi.json").json()["paths"]


@pytest.mark.usefixtures("toy")
def test_defect_is_500_logged_and_does_not_show_inner_workings(caplog: pytest.LogCaptureFixture) -> None:
    with serving(MemoryStorage(), ServerSettings(routers=("toy",))) as api:
        response = api.http.get("/toy/defect")
        assert response.status_code == 500
        assert "inner workings" not in response.text
        assert "inner workings" in caplog.text
        api.call("GET", "/jobs/")


@pytest.mark.usefixtures("toy")
def test_nothing_is_used_that_was_not_named() -> None:
    with serving(MemoryStorage()) as api:
        assert api.http.get("/toy/projects").status_code == 404
        api.call("GET", "/jobs/")


def test_missing_or_broken_plugins_are_fatal_when_they_are_named(toy: Path) -> None:
    with pytest.raises(PluginError, match="'nix'"):
        load_extensions(ServerSettings(routers=("nix",)))
    with pytest.raises(PluginError, match=r"'broken' of toy-server-plugins 1.0 .*no such machine"):
        load_extensions(ServerSettings(authenticators=("broken",)))
    (toy / "whatsnext.toml").write_text("[plugins.words]\nletters = 5\n")
    with pytest.raises(ConfigurationError, match="letters"):
        load_extensions(ServerSettings(authenticators=("words",)))
