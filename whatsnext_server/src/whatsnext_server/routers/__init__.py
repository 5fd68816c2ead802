"""The endpoints, one module for each group of them."""

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
from whatsnext_server.routers.order import ALL

__all__ = [
    "ALL",
    "artifacts",
    "clients",
    "demand",
    "events",
    "health",
    "jobs",
    "logs",
    "notifiers",
    "projects",
    "queue",
    "tasks",
]
