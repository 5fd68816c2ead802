"""What can be said of a block without running it."""

import ast
import configparser
import json
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.docs.snippets import Snippet
from whatsnext_autoscale_slurm.settings import SECTION, AutoscaleSettings
from whatsnext_client.config import ClientSettings
from whatsnext_core.errors import ConfigurationError
from whatsnext_core.plugins import load_plugins
from whatsnext_core.settings import load_plugin_config, load_settings
from whatsnext_server.config import ServerSettings

__all__ = ["LANGUAGES", "check_syntax"]

LANGUAGES = frozenset({"console", "python", "toml", "json", "ini", "text"})
"""What a block may be; directives in braces are Sphinx's own affair."""


def check_syntax(snippet: Snippet) -> None:
    """Fails unless a block is of a known language and well-formed in it."""
    language = snippet.language
    assert language in LANGUAGES or language.startswith("{"), (
        f"{snippet.place}: nobody checks blocks of the language {language!r}; use one of {', '.join(sorted(LANGUAGES))}"
    )
    try:
        match language:
            case "python":
                ast.parse(snippet.text)
            case "toml":
                check_settings(snippet.text)
            case "json" if (snippet.file or "").endswith(".jsonl"):
                for line in snippet.text.splitlines():
                    json.loads(line)
            case "json":
                json.loads(snippet.text)
            case "ini":
                configparser.ConfigParser(strict=False, interpolation=None).read_string(snippet.text)
    except (SyntaxError, ValueError, configparser.Error, ConfigurationError) as error:
        raise AssertionError(f"{snippet.place}: this is no {language}: {error}") from error


def check_settings(text: str) -> None:
    """Raises an error unless a text is TOML and, if it is a config file, has only settings that exist."""
    content = tomllib.loads(text)
    if not content.keys() <= {"client", "server", "plugins"}:
        return
    plugins = load_plugins()
    groups = (plugins.formatters(), plugins.probes(), plugins.storage_backends(), plugins.notifiers())
    known = {name: provided.descriptor.config for group in groups for name, provided in group.items()}
    known[SECTION] = AutoscaleSettings
    with TemporaryDirectory() as folder:
        file = Path(folder) / "whatsnext.toml"
        file.write_text(text, encoding="utf-8")
        load_settings(ClientSettings, "client", config=file, environ={})
        load_settings(ServerSettings, "server", config=file, environ={})
        for name in content.get("plugins", {}).keys() & known.keys():
            load_plugin_config(name, known[name], config=file, environ={})
