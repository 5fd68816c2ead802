"""Puts the generated parts into the pages that ask for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from sphinx.errors import ExtensionError

from reference_pages import parts

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

__all__ = ["fill", "setup"]

PLACE = re.compile(r"^<!-- made from the programs: (?P<name>[\w-]+) -->$", re.MULTILINE)
PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "rest": parts.rest,
    "formatters": parts.formatters,
    "client-commands": parts.client_commands,
    "server-commands": parts.server_commands,
    "server-settings": parts.server_settings,
    "client-settings": parts.client_settings,
    "plugin-settings": parts.plugin_settings,
}


def fill(text: str) -> str:
    """Return the text of a page with its generated parts in their places."""

    def made(match: re.Match[str]) -> str:
        if match["name"] not in PARTS:
            raise ExtensionError(f"{match[0]}: no such part; there are {', '.join(PARTS)}")
        return PARTS[match["name"]]()

    return PLACE.sub(made, text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("source-read", _read)
    app.connect("env-get-outdated", _always)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _read(_app: Sphinx, _docname: str, source: list[str]) -> None:
    source[0] = fill(source[0])


def _always(app: Sphinx, env: BuildEnvironment, *_: object) -> list[str]:
    """The pages with generated parts are read anew each time, since the programs may have changed."""
    return [name for name in env.found_docs if PLACE.search((app.srcdir / f"{name}.md").read_text(encoding="utf-8"))]
