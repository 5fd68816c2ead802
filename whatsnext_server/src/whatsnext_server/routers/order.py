"""All routers together."""

from whatsnext_server.routers import (
    artifacts,
    clients,
    demand,
    events,
    health,
    jobs,
    logs,
    notifiers,
    projects,
    queue,
    tasks,
)

ALL = (
    clients.router,
    jobs.router,
    queue.router,
    logs.router,
    events.router,
    notifiers.router,
    projects.router,
    tasks.router,
    demand.router,
    artifacts.router,
    health.router,
)
"""All routers, those that are called most often first."""

__all__ = ["ALL"]
