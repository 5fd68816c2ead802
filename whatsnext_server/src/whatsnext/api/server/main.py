"""The application, for any ASGI server: ``uvicorn whatsnext.api.server.main:app``.

The settings come from the config files, ``.env`` and the environment; host and port are those of the ASGI server.
``whatsnext-server run`` does the same and knows all settings as options.
"""

from __future__ import annotations

from fastapi import FastAPI

from whatsnext_core.errors import WhatsNextError
from whatsnext_server.app import create_app
from whatsnext_server.config import load_server_settings


def _make() -> FastAPI:
    try:
        return create_app(load_server_settings())
    except WhatsNextError as error:
        raise SystemExit(f"Error: {error}") from error


app = _make()
"""The application; its database is opened when it starts, and closed when it stops."""

__all__ = ["app", "create_app"]
