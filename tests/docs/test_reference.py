"""The built documentation covers the programs."""

import html
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import whatsnext.api.client as face
from reference_pages.commands import commands as every_command
from reference_pages.rest import operations
from tests.support import ROOT
from whatsnext_client.cli import cli as client_program
from whatsnext_client.config import ClientSettings
from whatsnext_core.explaining import ReasonCode
from whatsnext_server.app import create_app
from whatsnext_server.cli import main as server_program
from whatsnext_server.config import ServerSettings
from whatsnext_server.schemas.documentation import field_docs

PROGRAMS = [("whatsnext", client_program), ("whatsnext-server", server_program)]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation, built as `make docs` does."""
    target = tmp_path_factory.mktemp("site")
    argv = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "--keep-going", str(ROOT / "docs"), str(target)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def text_of(site: Path, page: str) -> str:
    """What a reader sees of a page."""
    content = re.sub(r"<[^>]+>", "", (site / f"{page}.html").read_text(encoding="utf-8"))
    return " ".join(html.unescape(content).split())


def test_every_endpoint_is_in_the_reference(site: Path) -> None:
    text, openapi = text_of(site, "reference/rest"), create_app().openapi()
    assert [f"{method} {path}" for method, path, _ in operations(openapi) if f"{method} {path}" not in text] == []
    assert [name for name in openapi["components"]["schemas"] if name not in text] == []


def test_every_reason_is_in_the_reference() -> None:
    text = (ROOT / "docs/reference/reasons.md").read_text()
    assert [code.value for code in ReasonCode if f"\n| `{code.value}` | " not in text] == []


@pytest.mark.parametrize(("name", "program"), PROGRAMS)
def test_every_command_and_option_is_in_the_reference(site: Path, name: str, program: click.Command) -> None:
    text = text_of(site, "reference/cli")
    for context in every_command(program, name):
        assert context.command_path in text
        options = [option for param in context.command.params for option in param.opts if option.startswith("--")]
        assert [option for option in options if option not in text] == []


@pytest.mark.parametrize(("name", "program"), PROGRAMS)
def test_every_command_and_option_says_what_it_does(name: str, program: click.Command) -> None:
    for context in every_command(program, name):
        assert context.command.help, context.command_path
        silent = [
            param.name
            for param in context.command.get_params(context)
            if isinstance(param, click.Option) and not param.hidden and not param.help
        ]
        assert silent == [], context.command_path


@pytest.mark.parametrize("settings", [ServerSettings, ClientSettings])
def test_every_setting_is_in_the_reference_and_has_a_meaning(site: Path, settings: type) -> None:
    text, words = text_of(site, "reference/configuration"), field_docs(settings)
    names = list(settings.__annotations__)
    assert [name for name in names if not words.get(name)] == []
    assert [name for name in names if f"WHATSNEXT_{name.upper()}" not in text] == []


def test_everything_that_the_face_exports_is_in_the_reference(site: Path) -> None:
    text = text_of(site, "reference/python")
    assert [name for name in face.__all__ if f"whatsnext.api.client.{name}" not in text] == []


def test_every_page_can_be_reached(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    shown = {page for page in pages if page.parts[0] not in {"_build", "examples"}}
    assert {str(page) for page in shown if not (site / f"{page}.html").exists()} == set()
