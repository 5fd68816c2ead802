"""The application: settings and a storage in, a FastAPI application out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import cast

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from whatsnext_core.errors import WhatsNextError
from whatsnext_core.storage import Storage
from whatsnext_server.config import ServerSettings
from whatsnext_server.extensions import load_extensions
from whatsnext_server.http import errors
from whatsnext_server.http.bodies import BodyLimit
from whatsnext_server.http.direct import Direct
from whatsnext_server.http.openapi import Application
from whatsnext_server.http.origins import ForeignPages
from whatsnext_server.http.security import Doorkeeper, Guard
from whatsnext_server.process.logs import RequestLog
from whatsnext_server.process.opening import opened_storage
from whatsnext_server.process.shutdown import early_notice
from whatsnext_server.process.siblings import Siblings
from whatsnext_server.routers import ALL
from whatsnext_server.services import Services


def create_app(
    settings: ServerSettings | None = None,
    storage: Storage | None = None,
    *,
    config: str | Path | None = None,
    siblings: Siblings | None = None,
) -> FastAPI:
    """Return the application.

    Args:
        settings: How it behaves; None for the defaults.
        storage: The database, opened; the caller closes it. None opens the one of the settings when the application
            starts, and closes it when it stops.
        config: The config file that holds the plugins' settings; None for those that are found.
        siblings: The other processes of this server; None if there are none.

    Raises:
        PluginError: a plugin that the settings name is missing or broken.
    """
    settings = settings or ServerSettings()
    extensions = load_extensions(settings, config)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as stack:
            try:
                opened = storage or await _opened(stack, settings, config)
            except WhatsNextError as error:
                cast("Application", app).refusal = error
                raise
            services = Services(settings, opened, extensions.notifiers, siblings=siblings)
            app.state.services = services
            services.start()
            try:
                with early_notice(services.begin_shutdown):
                    yield
            finally:
                await services.stop()

    app = Application(
        lifespan=lifespan,
        middleware=_middleware(settings, Doorkeeper(settings, extensions.authenticators), siblings),
        needs_key=not settings.is_open,
        is_limited=bool(settings.rate_limit_per_minute),
    )
    for router in ALL:
        app.router.routes.extend(router.routes)
    for extension in extensions.routers.values():
        app.include_router(extension)
    errors.install(app)
    return app


async def _opened(stack: ExitStack, settings: ServerSettings, config: str | Path | None) -> Storage:
    """Return the database of the settings, which ``stack`` closes; a signal ends the wait for one that is not there."""
    ending = threading.Event()
    with early_notice(ending.set):
        return await asyncio.to_thread(stack.enter_context, opened_storage(settings, config, ending))


def _middleware(settings: ServerSettings, doorkeeper: Doorkeeper, siblings: Siblings | None) -> list[Middleware]:
    """Return what each request passes, outermost first."""
    found: list[Middleware] = []
    if settings.log_level == "debug":
        found.append(Middleware(RequestLog))
    if settings.cors_origins:
        found.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"],
                allow_headers=[
                    *("X-API-Key", "Content-Type", "Last-Event-ID"),
                    *("Range", "If-Match", "If-None-Match", "If-Range"),
                ],
                expose_headers=[
                    "X-Log-Size",
                    "X-Log-Offset",
                    "X-Log-Fence",
                    "X-Log-Complete",
                    "X-Events-After",
                    "X-Events-Complete",
                    "Retry-After",
                    *("ETag", "Accept-Ranges", "Content-Range", "Content-Disposition"),
                ],
            )
        )
    found.append(Middleware(ForeignPages, settings.cors_origins))
    if doorkeeper.is_needed or settings.rate_limit_per_minute:
        found.append(Middleware(Guard, doorkeeper, settings.rate_limit_per_minute, siblings))
    found.append(
        Middleware(
            BodyLimit,
            max_request_bytes=settings.max_request_bytes,
            max_batch_bytes=settings.max_batch_bytes,
            max_artifact_bytes=settings.max_artifact_bytes,
        )
    )
    found.append(Middleware(Direct, [route for router in ALL for route in router.routes]))
    return found


__all__ = ["create_app"]
