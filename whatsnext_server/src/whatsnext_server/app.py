"""The application: settings and a storage in, a FastAPI application out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from fastapi import FastAPI

from whatsnext_core.storage import Storage
from whatsnext_server import errors, openapi
from whatsnext_server.config import ServerSettings
from whatsnext_server.opening import opened_storage
from whatsnext_server.routers import ALL
from whatsnext_server.services import Services
from whatsnext_server.shutdown import early_notice

_log = logging.getLogger(__name__)


def create_app(settings: ServerSettings | None = None, storage: Storage | None = None) -> FastAPI:
    """Return the application.

    Args:
        settings: How it behaves; None for the defaults.
        storage: The database, opened; the caller closes it. None opens the one of the settings when the application
            starts, and closes it when it stops.
    """
    settings = settings or ServerSettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with opened_storage(settings) if storage is None else nullcontext(storage) as opened:
            services = Services(settings, opened)
            app.state.services = services
            services.start()
            try:
                with early_notice(services.begin_shutdown):
                    yield
            finally:
                await services.stop()

    app = FastAPI(**openapi.DESCRIPTION, lifespan=lifespan, redirect_slashes=False)
    for router in ALL:
        app.router.routes.extend(router.routes)
    errors.install(app)
    return app


__all__ = ["create_app"]
